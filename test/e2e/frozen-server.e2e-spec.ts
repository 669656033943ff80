import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, newHardwareId, newNonce, provision, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { freePort, startServer, type TestServer, until } from '../support/server.js';

const failpoint = new URL('../support/failpoints/frozen-in-claim.mjs', import.meta.url).href;
let database: TestDatabase;
let folder: string;
let healthy: TestServer;
let metricsPort: number;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-frozen-'));
  metricsPort = await freePort();
  healthy = await startServer({ databaseUrl: database.url, env: { METRICS_PORT: String(metricsPort) } });
});
afterAll(async () => {
  await healthy?.stop();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);

/**
 * A second server that stopped in the middle of a claim on `key`, with the key's row locked; `claim` is what its machine hears, one day.
 * `unbounded`: PostgreSQL does not end its transaction by itself.
 */
async function frozenWith(
  key: string,
  unbounded: boolean,
): Promise<{ server: TestServer; claim: ReturnType<typeof provision>; thaw(): void }> {
  const file = join(folder, `armed-${key.slice(0, 20)}`);
  const server = await startServer({
    databaseUrl: database.url,
    preload: [failpoint],
    env: { FAILPOINT_FILE: file, ...(unbounded ? { FAILPOINT_UNBOUNDED: '1' } : {}) },
  });
  writeFileSync(file, '');
  const claim = provision(server.url, { provision_key: key, hardware_id: newHardwareId(), claim_nonce: newNonce() });
  await until(() => !existsSync(file) && / [Tt] /.test(readFileSync(`/proc/${server.pid}/stat`, 'utf8')));
  return { server, claim, thaw: () => process.kill(server.pid, 'SIGCONT') };
}

const changes: Record<string, (org: TestOrg, keyId: string) => Promise<{ status: number }>> = {
  disabling: (org, keyId) => org.root.patch(org.path(`site-provisioning-key/${keyId}`), { status: 'disabled' }),
  revoking: (org, keyId) => org.root.post(org.path(`site-provisioning-key/${keyId}/revoke`)),
  'rotating without overlap': (org, keyId) =>
    org.root.post(org.path(`site-provisioning-key/${keyId}/rotate`), { overlapSeconds: 0 }),
};

describe.skipIf(process.platform !== 'linux')('a server that stopped in the middle of a claim', () => {
  for (const [name, change] of Object.entries(changes)) {
    it(`${name} its key at another server ends the claim's transaction; nothing is claimed after the answer, nor when it goes on`, async () => {
      const org = await TestOrg.create(Api.root(healthy));
      const key = await org.key();
      const { server, claim, thaw } = await frozenWith(key.siteProvisioningKey, true);
      const bystander = new pg.Client({ connectionString: database.url, application_name: 'gatehouse' });
      await bystander.connect();
      try {
        const before = await sql<{ at: Date }>('SELECT clock_timestamp() AS at');
        expect((await change(org, key.siteProvisioningKeyId)).status).toBeLessThan(300);
        // It was ended by the change, and by nothing else.
        const [row] = await sql<{ details: { endedTransactions?: number } }>(
          `SELECT details FROM audit WHERE target_id = $1 AND created_at >= $2 AND action <> 'site_provisioning_key.create'`,
          [key.siteProvisioningKeyId, before[0]!.at],
        );
        expect(row!.details.endedTransactions).toBe(1);
        await until(() => healthy.logs.some((line) => line.includes('held what is being revoked')));
        // Nobody else's connection went with it.
        expect((await bystander.query('SELECT 1')).rowCount).toBe(1);

        thaw();
        expect((await claim).status).toBeGreaterThanOrEqual(400);
        expect((await provision(server.url, { provision_key: key.siteProvisioningKey })).status).toBe(403);
        expect((await org.sites()).pagination.total).toBe(0);
        expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(0);
      } finally {
        thaw();
        await bystander.end();
        await server.stop();
      }
    });
  }

  it('holds up claims on its key for as long as PostgreSQL lets it: others are put off with 503, not refused, then served', async () => {
    const org = await TestOrg.create(Api.root(healthy));
    const key = await org.key();
    const { server, claim, thaw } = await frozenWith(key.siteProvisioningKey, false);
    try {
      const statuses = new Set<number>();
      const machines = Array.from({ length: 20 }, async () => {
        const body = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId(), claim_nonce: newNonce() };
        const answered = await until(async () => {
          const reply = await provision(healthy.url, body);
          statuses.add(reply.status);
          if (reply.status === 503)
            expect([reply.body.error, Number(reply.headers.get('retry-after')) > 0]).toEqual(['database_busy', true]);
          return reply.status === 503 ? undefined : reply;
        });
        expect(answered.status).toBe(201);
      });
      await Promise.all(machines);
      expect([...statuses].filter((status) => status !== 201 && status !== 503)).toEqual([]);
      expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(20);
      thaw();
      expect((await claim).status).toBe(503);
      expect((await org.sites()).pagination.total).toBe(20);
    } finally {
      thaw();
      await server.stop();
    }
  });
});

it('machines that ask again behind a site that somebody holds wait on one connection, and leave the others to everybody else', async () => {
  const org = await TestOrg.create(Api.root(healthy));
  const { siteProvisioningKey: provision_key } = await org.key();
  const claims = Array.from({ length: 40 }, () => ({
    provision_key,
    hardware_id: newHardwareId(),
    claim_nonce: newNonce(),
  }));
  for (const claim of claims) expect((await provision(healthy.url, claim)).status).toBe(201);
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  try {
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM site WHERE hardware_id = $1 FOR UPDATE', [claims[0]!.hardware_id]);
    // Another credential for the first waits for its site and holds the key; the others, and the next batch, wait for the key.
    let answered = 0;
    const answers = claims.map((claim) => provision(healthy.url, claim).finally(() => answered++));
    let most = 0;
    await until(async () => {
      const [waiting] = await sql<{ n: number }>(
        'SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())',
      );
      most = Math.max(most, waiting!.n);
      return answered === claims.length;
    });
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2);
    for (const answer of answers) expect([201, 503]).toContain((await answer).status);
    await holder.query('ROLLBACK');
    for (const claim of claims) expect((await provision(healthy.url, claim)).status).toBe(201);
  } finally {
    await holder.end();
  }
});

it('says that an open transaction holds the event feed back, and for how long, while it serves', async () => {
  const ready = async () =>
    (await (await fetch(`${healthy.url}/readyz`)).json()) as { status: string; eventFeed: string };
  const held = async () =>
    Number(
      /^gatehouse_event_feed_held_back_seconds (\S+)$/m.exec(
        await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
      )?.[1],
    );
  // Other tests of the run may hold it back too, on the same PostgreSQL.
  const other = new pg.Client({ connectionString: database.url, application_name: 'a backup' });
  await other.connect();
  try {
    await other.query('BEGIN');
    const [{ txid }] = (await other.query<{ txid: string }>('SELECT pg_current_xact_id()::text AS txid')).rows as [
      { txid: string },
    ];
    await until(async () => (await ready()).eventFeed !== 'ok' && (await held()) > 0);
    expect((await ready()).eventFeed).toMatch(/^held back for \d+ s by an open transaction$/);
    expect((await ready()).status).toBe('ok');
    await until(() =>
      healthy.logs.some((line) => line.includes('holds the event feed back') && line.includes('a backup')),
    );
    await other.query('COMMIT');
    await until(
      async () =>
        BigInt((await sql<{ xmin: string }>('SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin'))[0]!.xmin) >
        BigInt(txid),
    );
    await until(async () => (await ready()).eventFeed === 'ok' && (await held()) === 0);
  } finally {
    await other.end();
  }
});
