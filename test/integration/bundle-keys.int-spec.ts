import 'reflect-metadata';
import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BundleKey } from '#contracts';
import { orgUidOf } from '#platform';
import { SigningKeys } from '../../src/instances/index.js';
import { Api, newHardwareId, newNonce, type TestKey } from '../support/api.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let key: string;
beforeAll(async () => {
  app = await openTestApp();
  await app.makeOrg('acme');
  key = (await app.root.expect<TestKey>('PUT', '/org/acme/site-provisioning-key', { name: 'k', maxBatchSize: null }))
    .siteProvisioningKey;
});
afterAll(() => app?.close());

const newKey = () => generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }) as BundleKey;
interface Claimed {
  device_id: string;
  api_key: string;
  signing_key_thumbprint: string;
  next_signing_key_thumbprint: string;
}
async function claim(body: Record<string, unknown>): Promise<{ status: number; body: Claimed; message: string }> {
  const reply = await new Api(app.root.url).post('/provision', {
    provision_key: key,
    hardware_id: newHardwareId(),
    ...body,
  });
  return { status: reply.status, body: reply.body as unknown as Claimed, message: reply.body.message };
}
const register = (body: Record<string, unknown> = {}) =>
  new Api(app.root.url).expect<Record<string, string>>('POST', '/auth/newt/register', {
    provisioningKey: key,
    ...body,
  });
const thumbprints = async () => app.get(SigningKeys).thumbprints(await orgUidOf(app.db.manager, operator, 'acme'));

interface Kept {
  siteId: number;
  key: BundleKey | null;
  jkt: string | null;
}
async function kept(where: string, value: unknown): Promise<Kept | undefined> {
  const [row] = await app.sql<Kept>(
    `SELECT s.site_id AS "siteId", b.bundle_key AS key, b.bundle_jkt AS jkt FROM site s LEFT JOIN site_bundle b USING (site_id) WHERE ${where} = $1`,
    [value],
  );
  return row;
}
const ofDevice = async (deviceId: string) => (await kept('s.device_id', deviceId))!;
const changes = (siteId: number) =>
  app.sql<{ from: string | null; to: string | null }>(
    `SELECT e.data->>'from' AS "from", e.data->>'to' AS "to" FROM event e JOIN audit a ON a.target_id = e.site_id::text AND a.action = 'site.change_bundle_key' AND a.details = e.data
     WHERE e.type = 'site.bundle_key_changed' AND e.site_id = $1 ORDER BY e.event_id`,
    [siteId],
  );

describe('the bundle key of a claim (docs/instances.md §3)', () => {
  it('is kept with the site, and answered with whom to trust', async () => {
    const bundleKey = newKey();
    const { body } = await claim({ bundle_key: { ...bundleKey, kid: 'ours', use: 'enc' } });
    const { siteId, ...stored } = await ofDevice(body.device_id);
    expect(stored).toEqual({ key: bundleKey, jkt: await calculateJwkThumbprint(bundleKey) });
    const { current, next } = await thumbprints();
    expect([body.signing_key_thumbprint, body.next_signing_key_thumbprint]).toEqual([current, next]);
    expect(await changes(siteId)).toEqual([]);
  });

  it('of an elliptic curve does as well, at the door of newts, where nobody else is told of keys', async () => {
    const bundleKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
    const { current, next } = await thumbprints();
    const answer = await register({ bundleKey });
    expect(answer).toMatchObject({ signingKeyThumbprint: current, nextSigningKeyThumbprint: next });
    expect(Object.keys(await register()).sort()).toEqual(['newtId', 'secret']);
    const [row] = await app.sql<Kept>(
      `SELECT bundle_key AS key FROM site_bundle JOIN site_credential USING (site_id) WHERE newt_id = $1`,
      [answer['newtId']],
    );
    expect(row!.key).toEqual(bundleKey);
  });

  it('that is wrong is refused by its name, and makes nothing', async () => {
    const hardwareId = newHardwareId();
    const { status, message } = await claim({ hardware_id: hardwareId, bundle_key: { ...newKey(), d: 'AAAA' } });
    expect([status, message]).toEqual([400, expect.stringMatching(/bundle_key must not hold the private member d/)]);
    expect((await claim({ hardware_id: hardwareId, bundle_key: 'text' })).message).toMatch(
      /bundle_key must be a public JWK/,
    );
    expect(await kept('s.hardware_id', hardwareId)).toBeUndefined();
  });

  it('comes with what the machine was told to trust: a key of another organization is refused, and spends nothing', async () => {
    const uses = async () =>
      Number((await app.sql<{ uses: string }>('SELECT sum(uses) AS uses FROM provisioning_key'))[0]!.uses);
    const first = await thumbprints();
    await app.root.expect('POST', '/org/acme/signing-key/rotate');
    const { current, next } = await thumbprints();
    await app.makeOrg('other');
    const other = await app.get(SigningKeys).thumbprints(await orgUidOf(app.db.manager, operator, 'other'));
    const before = await uses();
    for (const wrong of [
      other.current,
      `${other.current}.${other.next}`,
      `${current}.${other.next}`,
      `${first.current}.${next}`,
      next,
    ]) {
      const device = await claim({ trust_fingerprint: wrong });
      expect([device.status, device.message]).toEqual([
        400,
        expect.stringContaining('organization at "trust_fingerprint"'),
      ]);
      const newt = await new Api(app.root.url).post('/auth/newt/register', {
        provisioningKey: key,
        trustFingerprint: wrong,
      });
      expect([newt.status, newt.body.message]).toEqual([
        400,
        expect.stringContaining('organization at "trustFingerprint"'),
      ]);
    }
    expect((await claim({ trust_fingerprint: 'x' })).message).toContain('trust_fingerprint must be <thumbprint>');
    expect(await uses()).toBe(before);
    // Who has no key learns nothing by it.
    expect((await claim({ trust_fingerprint: other.current, provision_key: 'spk_wrong.wrong' })).status).toBe(403);
    for (const right of [current, `${current}.${next}`, first.current, `${first.current}.${first.next}`])
      expect((await claim({ trust_fingerprint: right })).status).toBe(201);
    expect(await uses()).toBe(before + 4);
  });

  it('stays when the claim is only recognised', async () => {
    const hardwareId = newHardwareId();
    const bundleKey = newKey();
    const first = await claim({ hardware_id: hardwareId, bundle_key: bundleKey });
    const again = await claim({ hardware_id: hardwareId, bundle_key: newKey() });
    expect([again.status, again.body.api_key]).toEqual([200, '']);
    expect(again.body.signing_key_thumbprint).toBe(first.body.signing_key_thumbprint);
    expect(await ofDevice(first.body.device_id)).toMatchObject({ key: bundleKey });
  });

  it('is another one after a re-issue that brings one, and told', async () => {
    const machine = { hardware_id: newHardwareId(), claim_nonce: newNonce() };
    const [one, two] = [newKey(), newKey()];
    const first = await claim({ ...machine, bundle_key: one });
    await claim({ ...machine, bundle_key: one });
    await claim(machine);
    const { siteId } = await ofDevice(first.body.device_id);
    expect(await changes(siteId)).toEqual([]);
    expect(await ofDevice(first.body.device_id)).toMatchObject({ key: one });
    expect((await claim({ ...machine, bundle_key: two })).status).toBe(201);
    expect(await ofDevice(first.body.device_id)).toMatchObject({ key: two });
    expect(await changes(siteId)).toEqual([
      { from: await calculateJwkThumbprint(one), to: await calculateJwkThumbprint(two) },
    ]);
  });

  it('goes with the former owner where the new one brings none', async () => {
    const hardwareId = newHardwareId();
    const bundleKey = newKey();
    const { body } = await claim({ hardware_id: hardwareId, bundle_key: bundleKey });
    const { siteId } = await ofDevice(body.device_id);
    await app.root.expect('POST', `/site/${siteId}/allow-reclaim`, {});
    expect((await claim({ hardware_id: hardwareId })).body.api_key).not.toBe('');
    expect(await ofDevice(body.device_id)).toMatchObject({ key: null, jkt: null });
    expect(await changes(siteId)).toEqual([{ from: await calculateJwkThumbprint(bundleKey), to: null }]);
  });

  it('of many claims at once is each with its own site, for those that sent one', async () => {
    const machines = Array.from({ length: 40 }, (_, i) => ({
      hardware_id: newHardwareId(),
      ...(i % 2 ? { bundle_key: newKey() } : {}),
    }));
    const answers = await Promise.all(machines.map((machine) => claim(machine)));
    for (const [i, { body }] of answers.entries())
      expect((await ofDevice(body.device_id)).key).toEqual(machines[i]!.bundle_key ?? null);
    const [{ rows }] = (await app.sql<{ rows: number }>(
      'SELECT count(*)::int AS rows FROM site_bundle JOIN site USING (site_id) WHERE device_id = ANY ($1::uuid[])',
      [answers.map(({ body }) => body.device_id)],
    )) as [{ rows: number }];
    expect(rows).toBe(20);
  });
});

describe('the bundle key of a session', () => {
  async function hello(newtId: string, secret: string, bundleKey: unknown): Promise<TestSession> {
    const { token } = await new Api(app.root.url).expect<{ token: string }>('POST', '/auth/newt/get-token', {
      newtId,
      secret,
    });
    const session = await TestSession.connect(`${app.root.url.replace('http', 'ws')}/api/v1/ws`, token);
    session.send('agent/hello', { protocol: 1, version: '1', capabilities: [], facts: {}, bundleKey });
    return session;
  }
  const ofNewt = async (newtId: string) =>
    (await kept('(SELECT newt_id FROM site_credential c WHERE c.site_id = s.site_id AND c.newt_id = $1)', newtId))!;

  it('is taken for a site that has none, told once, and never replaced', async () => {
    const { newtId, secret } = await register();
    const bundleKey = newKey();
    const session = await hello(newtId!, secret!, bundleKey);
    await until(async () => (await ofNewt(newtId!)).jkt !== null);
    const { siteId, key: stored } = await ofNewt(newtId!);
    expect(stored).toEqual(bundleKey);
    expect(await changes(siteId)).toEqual([{ from: null, to: await calculateJwkThumbprint(bundleKey) }]);
    // What it is to do has changed: the bundle is another one.
    await session.message('agent/state', (state) => state['version'] === 2);
    session.ws.close();
    const again = await hello(newtId!, secret!, newKey());
    await again.message('agent/state');
    again.send('agent/applied', { version: 2, ok: true });
    await until(
      async () =>
        (await app.sql('SELECT 1 FROM agent_report WHERE site_id = $1 AND applied_version = 2', [siteId])).length > 0,
    );
    expect(await ofNewt(newtId!)).toMatchObject({ key: bundleKey });
    expect(await changes(siteId)).toHaveLength(1);
    again.ws.close();
  });

  it('that is wrong is answered with an error, and the session goes on', async () => {
    const { newtId, secret } = await register();
    const session = await hello(newtId!, secret!, { kty: 'RSA' });
    expect((await session.message('error')).data['message']).toMatch(/bundleKey must be a key of/);
    session.send('agent/hello', { protocol: 1, version: '1' });
    await session.message('agent/welcome');
    session.ws.close();
  });
});
