import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { canonical } from '../../libs/platform/http/idempotency.js';
import { newHardwareId, provision, type Reply, TestOrg } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  await app.makeOrg('acme');
});
afterAll(() => app?.close());

const plain = (body: object) => createHash('sha256').update(canonical(body)).digest();
const makeRole = (key: string, body: object) =>
  app.root.as(app.root.authorization, { 'idempotency-key': key }).put<{ roleId: number }>('/org/acme/role', body);
const hashOf = async (key: string) =>
  (await app.sql<{ hash: Buffer }>('SELECT body_hash AS hash FROM idempotency_key WHERE key = $1', [key]))[0]!.hash;

it('a stored row tells nothing of its body to who has the row alone', async () => {
  const bodies = [{ name: 'first' }, { name: 'second' }];
  for (const [i, body] of bodies.entries()) expect((await makeRole(`row-${i}`, body)).status).toBe(201);
  for (const [i, body] of bodies.entries()) expect((await hashOf(`row-${i}`)).equals(plain(body))).toBe(false);
  // Nor that two calls had the same body.
  expect((await makeRole('row-2', bodies[0]!)).status).toBe(409);
  await app.sql('DELETE FROM role WHERE name = $1', ['first']);
  expect((await makeRole('row-3', bodies[0]!)).status).toBe(201);
  expect((await hashOf('row-3')).equals(await hashOf('row-0'))).toBe(false);
});

it('a row of 0.1.0 goes on answering its own body, and no other', async () => {
  const body = { name: 'before the upgrade' };
  const first = await makeRole('old', body);
  await app.sql('UPDATE idempotency_key SET body_hash = $2 WHERE key = $1', ['old', plain(body)]);
  const again = await makeRole('old', body);
  expect([again.status, again.text, again.headers.get('idempotency-replayed')]).toEqual([201, first.text, 'true']);
  expect((await makeRole('old', { name: 'another' })).status).toBe(409);
});

it('a renewal is repeated, though nothing is written once it is committed', async () => {
  const org = await TestOrg.create(app.root);
  const { siteProvisioningKey } = await org.keyUnder({});
  const { body } = await provision(app.root.url, {
    provision_key: siteProvisioningKey,
    hardware_id: newHardwareId(),
  });
  const device = app.root.as(body.api_key, { 'idempotency-key': 'renewed' });
  const renew = async () =>
    (await device.post('/device/credential/renew', {})) as unknown as Reply<{ api_key: string }>;
  // As for a server that dies right after the commit.
  await app.sql(`CREATE FUNCTION died() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'died'; END $$`);
  await app.sql(`CREATE TRIGGER died BEFORE UPDATE ON idempotency_key FOR EACH ROW WHEN (OLD.answer IS NOT NULL)
                 EXECUTE FUNCTION died()`);
  await renew();
  await app.sql('DROP FUNCTION died CASCADE');
  const again = await renew();
  expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
  expect((await app.root.as(again.body.api_key).get('/device/self')).status).toBe(200);
});
