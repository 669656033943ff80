// The rules are those of docs/claims.md.
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newHardwareId, provision, type TestKey, TestOrg } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());

const keyPath = (key: TestKey, rest = '') => org.path(`site-provisioning-key/${key.siteProvisioningKeyId}${rest}`);
const claim = (key: TestKey) =>
  provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() });

describe('the list of keys', () => {
  const keys: Record<string, TestKey> = {};
  beforeAll(async () => {
    for (const state of ['active', 'disabled', 'revoked', 'expired', 'exhausted'])
      keys[state] = await org.key({ name: state, maxBatchSize: 1 });
    await app.root.expect('PATCH', keyPath(keys['disabled']!), { status: 'disabled' });
    await app.root.expect('POST', keyPath(keys['revoked']!, '/revoke'));
    await app.sql(`UPDATE provisioning_key SET expires_at = now() - interval '1 s' WHERE key_id = $1`, [
      keys['expired']!.siteProvisioningKeyId,
    ]);
    expect((await claim(keys['exhausted']!)).status).toBe(201);
  });
  interface List {
    siteProvisioningKeys: { name: string; state: string; status: string }[];
    pagination: { total: number };
  }

  it.each(['active', 'disabled', 'revoked', 'expired', 'exhausted'])('shows the %s ones alone', async (state) => {
    const list = await app.root.expect<List>('GET', org.path(`site-provisioning-keys?state=${state}`));
    expect(list.siteProvisioningKeys).toEqual([expect.objectContaining({ name: state, state })]);
    expect(list.pagination.total).toBe(1);
  });

  it('shows all without a state, and no revoked or disabled one as active', async () => {
    const list = await app.root.expect<List>('GET', org.path('site-provisioning-keys'));
    expect(Object.fromEntries(list.siteProvisioningKeys.map((key) => [key.name, key.status]))).toEqual({
      active: 'active',
      disabled: 'disabled',
      revoked: 'disabled',
      // The operator's switch is on: a higher limit or a later expiry is all that is missing.
      expired: 'active',
      exhausted: 'active',
    });
    expect(list.pagination.total).toBe(5);
    expect(await app.root.expect('GET', keyPath(keys['revoked']!))).toMatchObject({
      status: 'disabled',
      state: 'revoked',
    });
  });

  it('refuses a state that there is not', async () => {
    const reply = await app.root.get(org.path('site-provisioning-keys?state=used'));
    expect([reply.status, reply.text]).toEqual([400, expect.stringContaining('state')]);
  });

  it('says in the audit whether a revocation was the first', async () => {
    await app.root.expect('POST', keyPath(keys['revoked']!, '/revoke'));
    const rows = await app.sql<{ details: object }>(
      `SELECT details FROM audit WHERE action = 'site_provisioning_key.revoke' AND target_id = $1 ORDER BY audit_id`,
      [keys['revoked']!.siteProvisioningKeyId],
    );
    expect(rows.map((row) => row.details)).toEqual([{ changed: true }, { changed: false }]);
  });
});

describe('what is obvious need not be said', () => {
  it.each([{}, undefined])('rotate with the body %j leaves the old secret an hour', async (body) => {
    const key = await org.key();
    const rotated = await app.root.expect<TestKey & { generations: { retiresAt: string | null }[] }>(
      'POST',
      keyPath(key, '/rotate'),
      body,
    );
    const [row] = await app.sql<{ seconds: number }>(
      `SELECT extract(epoch FROM retires_at - now())::float8 AS seconds FROM provisioning_key_generation WHERE key_id = $1 AND generation = 1`,
      [key.siteProvisioningKeyId],
    );
    expect(row!.seconds).toBeGreaterThan(3000);
    expect(row!.seconds).toBeLessThanOrEqual(3600);
    for (const secret of [key, rotated]) expect((await claim(secret)).status).toBe(201);
    expect((await app.root.post(keyPath(key, '/rotate'), { overlapSeconds: null })).status).toBe(400);
  });

  it.each([{}, undefined])('allow-reclaim with the body %j lasts an hour', async (body) => {
    const key = await org.key();
    const { body: device } = await claim(key);
    const [site] = await app.sql<{ id: number }>('SELECT site_id AS id FROM site WHERE device_id = $1', [
      device.device_id,
    ]);
    const { allowedUntil } = await app.root.expect<{ allowedUntil: string }>(
      'POST',
      `/site/${site!.id}/allow-reclaim`,
      body,
    );
    const [row] = await app.sql<{ seconds: number }>(
      'SELECT extract(epoch FROM $1::timestamptz - now())::float8 AS seconds',
      [allowedUntil],
    );
    expect(row!.seconds).toBeGreaterThan(3000);
    expect(row!.seconds).toBeLessThanOrEqual(3600);
  });

  it('how many sites a key may make must be said', async () => {
    for (const body of [{ name: 'n' }, { name: 'n', oneTime: false }]) {
      const reply = await app.root.put(org.path('site-provisioning-key'), body);
      expect([reply.status, reply.text]).toEqual([400, expect.stringContaining('maxBatchSize is required')]);
    }
  });
});
