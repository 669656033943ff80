import 'reflect-metadata';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { compactDecrypt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BundleKey, RenewedCredential } from '#contracts';
import { bundleKeyThumbprint } from '#platform';
import { BundleKeys } from '../../src/instances/bundle-keys/bundle-keys.service.js';
import { CredentialOffers } from '../../src/instances/index.js';
import {
  type Api,
  deviceToken,
  newHardwareId,
  newtToken,
  provision,
  type Reply,
  register,
  TestOrg,
} from '../support/api.js';
import { createCsr } from '../support/certificate.js';
import { until } from '../support/server.js';
import { type Refused, TestSession } from '../support/session.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());

type Answer = Partial<RenewedCredential>;
type Fields = { code?: string; data?: { challenge?: string; renewable?: boolean } };

interface Device {
  siteId: number;
  /** As the present credential. */
  api: Api;
  credential: Answer;
}

const basic = (newtId: string, secret: string) =>
  app.root.as(undefined, { authorization: `Basic ${Buffer.from(`${newtId}:${secret}`).toString('base64')}` });
const by = (credential: Answer): Api =>
  credential.newt_id ? basic(credential.newt_id, credential.secret!) : app.root.as(credential.api_key);

async function siteOf(column: string, value: string): Promise<number> {
  const [row] = await app.sql<{ siteId: number }>(
    `SELECT site_id AS "siteId" FROM site JOIN site_credential USING (site_id) WHERE ${column} = $1`,
    [value],
  );
  return row!.siteId;
}

/** A site of either kind that proves itself in headers. */
async function enrol(
  kind: 'api_key' | 'newt',
  { template = {}, bundleKey }: { template?: Record<string, unknown>; bundleKey?: BundleKey } = {},
): Promise<Device> {
  const key = (await org.keyUnder(template)).siteProvisioningKey;
  if (kind === 'newt') {
    const { body } = await register(app.root.url, { provisioningKey: key, ...(bundleKey ? { bundleKey } : {}) });
    const credential: Answer = { credential_type: 'newt', newt_id: body.data.newtId, secret: body.data.secret };
    return { siteId: await siteOf('newt_id', body.data.newtId), api: by(credential), credential };
  }
  const { body } = await provision(app.root.url, {
    provision_key: key,
    hardware_id: newHardwareId(),
    ...(bundleKey ? { bundle_key: bundleKey } : {}),
  });
  const credential: Answer = { credential_type: 'api_key', api_key: body.api_key };
  return { siteId: await siteOf('device_id', body.device_id), api: by(credential), credential };
}

const renew = (api: Api, body: Record<string, unknown> = {}) =>
  api.post('/device/credential/renew', body) as unknown as Promise<Reply<Answer & Fields>>;
const self = async (api: Api) => (await api.get('/device/self')).status;

const move = async (siteId: number, set: string, stage = 'current') => {
  await app.sql(`UPDATE site_credential SET ${set} WHERE site_id = $1 AND stage = $2 AND revoked_at IS NULL`, [
    siteId,
    stage,
  ]);
  await app.sql(`SELECT pg_notify('site_changed', $1::text)`, [siteId]);
};
const EXPIRED = `expires_at = now() - interval '1 second', renew_until = now() + interval '1 day'`;

function makeKey(): { key: BundleKey; privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return { key: publicKey.export({ format: 'jwk' }) as BundleKey, privateKey };
}
async function unseal(jwe: string, privateKey: KeyObject): Promise<{ text: string; cty: unknown }> {
  const { plaintext, protectedHeader } = await compactDecrypt(jwe, privateKey);
  return { text: new TextDecoder().decode(plaintext), cty: protectedHeader.cty };
}

describe.each(['api_key', 'newt'] as const)('a device with a credential of the kind %s', (kind) => {
  it('renews it, uses both, and the first use of the next one ends the other next ones', async () => {
    const device = await enrol(kind);
    const answers = [await renew(device.api), await renew(device.api)];
    for (const { status, body } of answers) {
      expect(status).toBe(201);
      expect(body).toMatchObject({ credential_type: kind, expires_at: null });
    }
    const [lost, used] = answers.map(({ body }) => by(body)) as [Api, Api];
    expect(await self(device.api)).toBe(200);
    expect(await self(used)).toBe(200);
    expect(await self(lost)).toBe(401);
    expect(await self(device.api)).toBe(200);
    await move(device.siteId, 'ends_at = now()', 'previous');
    await until(async () => (await self(device.api)) === 401);
    expect(await self(used)).toBe(200);
    expect(
      await app.sql(
        `SELECT actor_type, actor_id, details->>'kind' AS kind FROM audit WHERE action = 'site.renew_credential' AND target_id = $1`,
        [String(device.siteId)],
      ),
    ).toEqual(Array(2).fill({ actor_type: 'site', actor_id: String(device.siteId), kind }));
  });

  it('is told that it has expired, and can do one thing, for the time of grace', async () => {
    const device = await enrol(kind, { template: { credentialTtlSeconds: 3_600, renewGraceSeconds: 60 } });
    const before = Date.now();
    await move(device.siteId, EXPIRED);
    await until(async () => (await self(device.api)) === 401);
    const refused = (await device.api.get('/device/self')) as unknown as Reply<Fields>;
    expect(refused.body).toMatchObject({ code: 'credential_unusable', data: { renewable: true } });
    const token =
      kind === 'newt'
        ? await newtToken(app.root.url, device.credential.newt_id!, device.credential.secret!)
        : await deviceToken(app.root.url, device.credential.api_key!);
    expect(token).toMatchObject({ status: 401, body: { code: 'credential_unusable', data: { renewable: true } } });
    const { status, body } = await renew(device.api);
    expect(status).toBe(201);
    const expires = Date.parse(body.expires_at!);
    expect(expires).toBeGreaterThan(before + 3_590_000);
    expect(expires).toBeLessThan(Date.now() + 3_601_000);
    expect(await self(by(body))).toBe(200);
    const [row] = await app.sql<{ grace: number }>(
      `SELECT extract(epoch FROM renew_until - expires_at)::int AS grace FROM site_credential WHERE site_id = $1 AND stage = 'current'`,
      [device.siteId],
    );
    expect(row).toEqual({ grace: 60 });
    await move(device.siteId, `expires_at = now() - interval '1 day', renew_until = now() - interval '1 second'`);
    await until(async () => (await renew(by(body))).status === 401);
    expect((await renew(by(body))).body).toMatchObject({ code: 'credential_unusable', data: null });
  });

  it('with a bundle key renews only with the answer to a challenge, and may bring another one', async () => {
    const [first, second] = [makeKey(), makeKey()];
    const device = await enrol(kind, { bundleKey: first.key });
    const challenged = await renew(device.api);
    expect(challenged).toMatchObject({ status: 403, body: { code: 'challenge_required' } });
    const { text: challenge, cty } = await unseal(challenged.body.data!.challenge!, first.privateKey);
    expect(cty).toBe('text/plain');
    const wrong = `${challenge.slice(0, -1)}${challenge.endsWith('A') ? 'E' : 'A'}`;
    expect(await renew(device.api, { challenge: wrong })).toMatchObject({
      status: 403,
      body: { code: 'challenge_required' },
    });
    const { status, body } = await renew(device.api, { challenge, bundle_key: second.key });
    expect(status).toBe(201);
    // The answer was for the key that is gone.
    const again = await renew(device.api, { challenge });
    expect(again.status).toBe(403);
    await expect(unseal(again.body.data!.challenge!, first.privateKey)).rejects.toThrow();
    expect((await unseal(again.body.data!.challenge!, second.privateKey)).text).toMatch(/^\w+\./);
    expect(await self(by(body))).toBe(200);
    expect(
      await app.sql(`SELECT data FROM event WHERE type = 'site.bundle_key_changed' AND site_id = $1`, [device.siteId]),
    ).toEqual([{ data: { from: bundleKeyThumbprint(first.key), to: bundleKeyThumbprint(second.key) } }]);
  });
});

describe('renewing', () => {
  it('takes no session token, and refuses a wrong body by the name of its field', async () => {
    const newt = await enrol('newt');
    const { body } = await newtToken(app.root.url, newt.credential.newt_id!, newt.credential.secret!);
    expect(await renew(app.root.as(body.data.token))).toMatchObject({
      status: 403,
      body: { code: 'permission_denied' },
    });
    expect(await renew(newt.api, { csr: await createCsr() })).toMatchObject({
      status: 400,
      text: expect.stringContaining('csr'),
    });
    expect(await renew(newt.api, { challenge: 'x'.repeat(129) })).toMatchObject({
      status: 400,
      text: expect.stringContaining('challenge'),
    });
    expect(await renew(newt.api, { bundle_key: { kty: 'OKP' } })).toMatchObject({
      status: 400,
      text: expect.stringContaining('bundle_key'),
    });
  });

  it('is 429 when twenty wait to be used', async () => {
    const device = await enrol('api_key');
    for (let i = 0; i < 20; i++) expect((await renew(device.api)).status).toBe(201);
    const refused = await renew(device.api);
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(86_000);
    expect(await self(device.api)).toBe(200);
  });

  it('asks for the answer to a challenge of a bundle key that came meanwhile', async () => {
    const { siteId, api } = await enrol('api_key');
    const { key } = makeKey();
    let renewed!: ReturnType<typeof renew>;
    await app.db.tx(async (tx) => {
      await tx.query('SELECT FROM site WHERE site_id = $1 FOR UPDATE', [siteId]);
      renewed = renew(api);
      await until(
        async () =>
          (
            await app.sql(
              `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'SELECT revoked_at IS NULL%'`,
            )
          ).length > 0,
      );
      await tx.query('INSERT INTO site_bundle (site_id, org_id, bundle_key, bundle_jkt) VALUES ($1, $2, $3, $4)', [
        siteId,
        org.orgId,
        JSON.stringify(key),
        bundleKeyThumbprint(key),
      ]);
    });
    expect(await renewed).toMatchObject({ status: 403, body: { code: 'challenge_required' } });
  });

  it('is nothing for a revoked site, which is told so', async () => {
    const device = await enrol('api_key');
    const { body } = await renew(device.api);
    await app.root.expect('POST', `/site/${device.siteId}/revoke`, {});
    for (const api of [device.api, by(body)]) {
      await until(async () => (await renew(api)).status === 401);
      expect((await renew(api)).body.data).toMatchObject({ revocation: expect.any(String) });
    }
  });
});

describe('an operator', () => {
  const wsUrl = () => `${app.root.url.replace('http', 'ws')}/api/v1/ws`;
  async function connect(device: Device, hello: Record<string, unknown> | null): Promise<TestSession> {
    const { credential } = device;
    const { body } = credential.newt_id
      ? await newtToken(app.root.url, credential.newt_id, credential.secret!)
      : await deviceToken(app.root.url, credential.api_key!);
    const session = await TestSession.connect(wsUrl(), body.data.token);
    if (hello) await session.hello(hello);
    return session;
  }
  const AGENT = { capabilities: ['credentials'] };
  const rotate = (device: Device, body: Record<string, unknown> = {}) =>
    app.root.expect<{ delivery: string; overlapSeconds: number; offeredAt: string | null }>(
      'POST',
      `/site/${device.siteId}/rotate-credential`,
      body,
    );
  const listed = (device: Device) =>
    app.root.expect<{
      credentials: { stage: string; status: string; publicId: string | null; lastUsedAddress: string | null }[];
      rotation: { delivery: string; offeredAt: string | null } | null;
    }>('GET', `/site/${device.siteId}/credentials`);

  it('rotates the credential of a connected agent, which is handed the next one at once', async () => {
    const device = await enrol('newt');
    const session = await connect(device, AGENT);
    await rotate(device, { overlapSeconds: 60 });
    const { data } = await session.message('agent/credential');
    const next = data['credential'] as Answer;
    expect(next).toMatchObject({ credential_type: 'newt', newt_id: expect.any(String), secret: expect.any(String) });
    expect(await listed(device)).toMatchObject({ rotation: { offeredAt: expect.any(String) } });
    const newer = await connect({ ...device, credential: next }, AGENT);
    expect(await session.closed).toMatchObject({ code: 4001 });
    expect(await listed(device)).toMatchObject({
      rotation: null,
      credentials: [
        { stage: 'current', status: 'usable', publicId: next.newt_id },
        { stage: 'previous', status: 'usable', publicId: device.credential.newt_id },
      ],
    });
    expect(JSON.stringify(await listed(device))).not.toContain(next.secret);
    const audited = await app.sql<{ details: object }>(
      `SELECT actor_type, actor_id, host(address) AS address, details FROM audit WHERE action = 'site.renew_credential' AND target_id = $1`,
      [String(device.siteId)],
    );
    expect(audited).toEqual([
      {
        actor_type: 'site',
        actor_id: String(device.siteId),
        address: '127.0.0.1',
        details: { kind: 'newt', credentialId: expect.any(Number), expiresAt: null, delivery: 'session' },
      },
    ]);
    expect(newer.received.some(({ type }) => type === 'agent/credential')).toBe(false);
    await newer.close();
  });

  it('rotates that of a site with a bundle key: what is sent is sealed for it', async () => {
    const { key, privateKey } = makeKey();
    const device = await enrol('api_key', { bundleKey: key });
    const session = await connect(device, AGENT);
    await rotate(device);
    const { data } = await session.message('agent/credential');
    expect(Object.keys(data)).toEqual(['sealed']);
    const { text, cty } = await unseal(data['sealed'] as string, privateKey);
    expect(cty).toBe('json');
    expect(await self(by(JSON.parse(text) as Answer))).toBe(200);
    await session.close();
  });

  it('seals it for the bundle key of the moment when it is made, also for one that came meanwhile', async () => {
    const [first, second] = [makeKey(), makeKey()];
    const device = await enrol('api_key', { bundleKey: first.key });
    await rotate(device);
    const [session] = await app.sql<{ siteId: number; orgId: string; credentialId: number }>(
      `SELECT site_id AS "siteId", org_id AS "orgId", credential_id AS "credentialId" FROM site_credential WHERE site_id = $1`,
      [device.siteId],
    );
    const { offer } = await app.db.tx(async (tx) => {
      await tx.query('SELECT FROM site WHERE site_id = $1 FOR NO KEY UPDATE', [device.siteId]);
      const offer = app.get(CredentialOffers).make({ ...session!, niceId: 'x', address: null });
      await until(
        async () =>
          (
            await app.sql(
              `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
            )
          ).length > 0,
      );
      await app.get(BundleKeys).replace(tx, operator, session!.orgId, device.siteId, {
        key: second.key,
        jkt: bundleKeyThumbprint(second.key),
      });
      return { offer };
    });
    const { text } = await unseal((await offer)!.sealed!, second.privateKey);
    expect(await self(by(JSON.parse(text) as Answer))).toBe(200);
  });

  it('is waited for by agents that were away, and asked anew hands out anew', async () => {
    const device = await enrol('newt');
    expect(await rotate(device)).toMatchObject({ delivery: 'later', overlapSeconds: 3_600, offeredAt: null });
    const session = await connect(device, AGENT);
    const first = await session.message('agent/credential');
    await rotate(device);
    const second = await session.message(
      'agent/credential',
      (data) => JSON.stringify(data) !== JSON.stringify(first.data),
    );
    expect(await self(by(second.data['credential'] as Answer))).toBe(200);
    await session.close();
  });

  it('sees that an unmodified newt cannot take one, nor an agent that did not say so', async () => {
    const device = await enrol('newt');
    const session = await connect(device, null);
    session.send('newt/wg/register', { newtVersion: '1.13.0' });
    await until(async () => (await rotate(device)).delivery === 'never');
    expect(await listed(device)).toMatchObject({ rotation: { delivery: 'never', offeredAt: null } });
    await session.close();
    const older = await connect(device, {});
    await until(async () => (await rotate(device)).delivery === 'later');
    await older.settled();
    expect(older.received.some(({ type }) => type === 'agent/credential')).toBe(false);
    expect(await listed(device)).toMatchObject({ rotation: { delivery: 'later', offeredAt: null } });
    await older.close();
  });

  it('sees whence a credential was used, and gets a conflict for a revoked site', async () => {
    const device = await enrol('api_key');
    await self(device.api);
    await until(async () => (await listed(device)).credentials[0]?.lastUsedAddress === '127.0.0.1');
    await app.root.expect('POST', `/site/${device.siteId}/revoke`, {});
    expect((await app.root.post(`/site/${device.siteId}/rotate-credential`, {})).status).toBe(409);
    expect(await listed(device)).toMatchObject({ credentials: [{ status: 'revoked' }], rotation: null });
  });

  it.each([
    ['has expired', EXPIRED, 'current'],
    ['was superseded', 'ends_at = now()', 'previous'],
  ])('closes no session by hand: one whose credential %s is closed, and none begins', async (_, set, stage) => {
    const device = await enrol('api_key');
    const { body } = await deviceToken(app.root.url, device.credential.api_key!);
    const session = await connect(device, {});
    if (stage === 'previous') expect(await self(by((await renew(device.api)).body))).toBe(200);
    await move(device.siteId, set, stage);
    expect(await session.closed).toEqual({ code: 4002, reason: 'credential_ended' });
    const refused = await TestSession.connect(wsUrl(), body.data.token).catch((error: Refused) => error);
    expect(refused).toMatchObject({ status: 401, body: { code: 'credential_unusable' } });
  });

  it('needs to do nothing about an end that comes while a session is open, whatever the notices say', async () => {
    const device = await enrol('api_key');
    const session = await connect(device, {});
    await move(device.siteId, `expires_at = now() + interval '2 seconds', renew_until = now() + interval '1 day'`);
    expect(await session.closed).toEqual({ code: 4002, reason: 'credential_ended' });
  });
});
