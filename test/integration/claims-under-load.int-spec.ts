// The rules are those of docs/claims.md.
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { execute, query, sha256 } from '#platform';
import { SiteCredentialsService } from '../../src/access/index.js';
import { Batcher } from '../../src/provisioning/claims/batcher.js';
import { ClaimsRepository } from '../../src/provisioning/claims/claims.repository.js';
import { SiteLifecycleService } from '../../src/sites/index.js';
import { newHardwareId, provision, register, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());
afterEach(() => vi.restoreAllMocks());

describe('rule 2 under load', () => {
  it('a claim that is never decided, because others change its site each time, is refused like any other', async () => {
    const key = await org.key();
    const body = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() };
    expect((await provision(app.root.url, body)).status).toBe(201);
    vi.spyOn(app.get(ClaimsRepository), 'findSite').mockResolvedValue(undefined);
    const reply = await provision(app.root.url, body);
    expect([reply.status, reply.text]).toEqual([403, '{"error":"permission_denied"}']);
    await until(
      async () =>
        (await app.sql(`SELECT FROM claim WHERE org_id = $1 AND reason = 'contended'`, [org.orgId])).length === 1,
    );
  });

  it('too many waiting claims are the same answer to every key, known or not, and none of them looks at it', async () => {
    const key = await org.key();
    vi.spyOn(Batcher.prototype, 'isFull', 'get').mockReturnValue(true);
    const looked = vi.spyOn(app.get(ClaimsRepository), 'policy');
    const texts = [
      key.siteProvisioningKey,
      `${key.siteProvisioningKey.slice(0, -1)}x`,
      'spk_nobodyhasthis00.x',
      'nonsense',
    ];
    const replies = await Promise.all(texts.map((provision_key) => provision(app.root.url, { provision_key })));
    expect(new Set(replies.map((r) => `${r.status} ${r.text} ${r.headers.get('retry-after')}`))).toEqual(
      new Set(['503 {"error":"database_unavailable"} 5']),
    );
    expect(looked).not.toHaveBeenCalled();
  });
});

describe('rule 4 under load', () => {
  it('a claim by nonce that waits for the claim of another key with the same nonce finds its site', async () => {
    const key = await org.key();
    const nonce = randomBytes(32);
    let waiting: ReturnType<typeof register> | undefined;
    const siteId = await app.db.tx(async (tx) => {
      const [site] = await app
        .get(SiteLifecycleService)
        .insertMany(tx, org.orgId, [{ name: 'first', status: 'approved', hardwareId: null, address: null }]);
      await app.get(SiteCredentialsService).insertMany(tx, [
        {
          siteId: site!.siteId,
          orgId: org.orgId,
          kind: 'api_key',
          secretHash: randomBytes(32),
          nonceHash: sha256(nonce),
          byNonce: true,
        },
      ]);
      waiting = register(app.root.url, {
        provisioningKey: key.siteProvisioningKey,
        claimNonce: nonce.toString('base64url'),
      });
      await until(
        async () =>
          (
            await app.sql(
              `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
            )
          ).length > 0,
      );
      return site!.siteId;
    });
    const { status, body } = await waiting!;
    expect(status).toBe(201);
    expect(
      await app.sql('SELECT site_id::int AS id FROM site_credential WHERE newt_id = $1', [body.data.newtId]),
    ).toEqual([{ id: siteId }]);
    expect(await app.sql('SELECT FROM claim_window WHERE nonce_hash = $1', [sha256(nonce)])).toHaveLength(1);
    expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(0);
  });
});

describe('rule 20 under load', () => {
  it('a claim that waits for the rotation of its key is decided by what the rotation left', async () => {
    const key = await org.key();
    const claim = () => provision(app.root.url, { provision_key: key.siteProvisioningKey });
    // Known to the cache of keys, so that only the look under the lock can refuse the next one.
    expect((await claim()).status).toBe(201);
    let waiting: ReturnType<typeof provision> | undefined;
    await app.db.tx(async (tx) => {
      await execute(tx, 'SELECT FROM provisioning_key WHERE key_id = $1 FOR UPDATE', [key.siteProvisioningKeyId]);
      waiting = claim();
      await until(
        async () =>
          (
            await app.sql(
              `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
            )
          ).length > 0,
      );
      await execute(tx, 'UPDATE provisioning_key_generation SET retires_at = clock_timestamp() WHERE key_id = $1', [
        key.siteProvisioningKeyId,
      ]);
    });
    expect((await waiting!).status).toBe(403);
    expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(1);
  });
});

describe('the look-up of known devices', () => {
  it('goes by index, whatever the plan that is kept stems from', async () => {
    expect((await provision(app.root.url, { provision_key: (await org.key()).siteProvisioningKey })).status).toBe(201);
    // Now the planner knows that they are small: by itself it would read all of them.
    await app.sql('ANALYZE site, claim_window, site_credential');
    await app.db.tx(async (tx) => {
      const scanned = () =>
        query<{ rows: number }>(
          tx,
          `SELECT sum(seq_tup_read) AS rows FROM pg_stat_xact_user_tables WHERE relname IN ('site', 'claim_window', 'site_credential')`,
        );
      const before = await scanned();
      const repository = app.get(ClaimsRepository);
      for (let i = 0; i < 8; i++) await repository.known(tx, org.orgId, [newHardwareId()], [sha256(randomBytes(32))]);
      expect(await scanned()).toEqual(before);
    });
  });
});

describe('rule 15', () => {
  it('a full pool is no refusal to those either whose use another claim would have spent', async () => {
    const tiny = await TestOrg.create(app.root, { subnet: '10.77.0.0/30' });
    const filler = await tiny.key();
    for (let full = false; !full; )
      full = (await provision(app.root.url, { provision_key: filler.siteProvisioningKey })).status === 503;
    const key = await tiny.key({ maxBatchSize: 1 });
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => provision(app.root.url, { provision_key: key.siteProvisioningKey })),
    );
    expect(new Set(replies.map((r) => `${r.status} ${r.text}`))).toEqual(new Set(['503 {"error":"capacity"}']));
    expect((await tiny.readKey(key.siteProvisioningKeyId)).numUsed).toBe(0);
  });
});
