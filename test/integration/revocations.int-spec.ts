import 'reflect-metadata';
import { compactVerify, importJWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  JOSE_TYPE,
  type RevocationNotice,
  type RevocationPayload,
  type SuccessionPayload,
  type Trust,
} from '#contracts';
import { orgUidOf, Retention } from '#platform';
import { SiteExpiry } from '../../src/agents/expiry/site-expiry.service.js';
import { SigningKeys } from '../../src/instances/index.js';
import {
  Api,
  deviceToken,
  newHardwareId,
  newNonce,
  newtToken,
  provision,
  register,
  type TestKey,
  TestOrg,
} from '../support/api.js';
import { until } from '../support/server.js';
import { type Refused, TestSession } from '../support/session.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let orgUid: string;
let key: TestKey;
let pendingKey: TestKey;
beforeAll(async () => {
  // Nothing is removed by itself here: the role `jobs` does that.
  app = await openTestApp({ SERVER_ROLES: 'agents', REFUSALS_PER_MINUTE: '100000' });
});
afterAll(() => app?.close());
beforeEach(async () => {
  org = await TestOrg.create(app.root);
  orgUid = await orgUidOf(app.db.manager, operator, org.orgId);
  key = await org.keyUnder({ ephemeralSeconds: 60 });
  pendingKey = await org.keyUnder({ approveNewSites: false });
});

interface Device {
  siteId: number;
  deviceId: string;
  apiKey: string;
  hardwareId: string;
}
async function device(by = key, more: Record<string, unknown> = {}): Promise<Device> {
  const hardwareId = newHardwareId();
  const { body } = await provision(app.root.url, {
    provision_key: by.siteProvisioningKey,
    hardware_id: hardwareId,
    ...more,
  });
  const [site] = await app.sql<{ siteId: number }>('SELECT site_id AS "siteId" FROM site WHERE device_id = $1', [
    body.device_id,
  ]);
  return { siteId: site!.siteId, deviceId: body.device_id, apiKey: body.api_key, hardwareId };
}
async function newt(): Promise<{ newtId: string; secret: string; siteId: number; deviceId: string }> {
  const { newtId, secret } = (await register(app.root.url, { provisioningKey: key.siteProvisioningKey })).body.data;
  const [site] = await app.sql<{ siteId: number; deviceId: string }>(
    'SELECT site_id AS "siteId", device_id AS "deviceId" FROM site JOIN site_credential USING (site_id) WHERE newt_id = $1',
    [newtId],
  );
  return { newtId, secret, ...site! };
}
const self = (authorization: string) => new Api(app.root.url, undefined, { authorization }).get('/device/self');
const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
/** What a request is refused with, once it is. */
const refused = (ask: () => Promise<{ status: number; text: string }>) =>
  until(async () => {
    const { status, text } = await ask();
    return status === 401 ? { text, data: (JSON.parse(text) as { data: RevocationNotice | null }).data } : null;
  });
const revoke = ({ siteId }: { siteId: number }) => app.root.expect('POST', `/site/${siteId}/revoke`, {});

/** Believes it as an instance does that trusts the first key. */
async function opened({ revocation, successions }: RevocationNotice, uid = orgUid): Promise<RevocationPayload> {
  const trust: Trust = await app.get(SigningKeys).trust(uid);
  let signer: object = trust.keys[0]!;
  for (const succession of successions) {
    const { payload } = await compactVerify(succession, await importJWK(signer as never, 'EdDSA'));
    signer = (JSON.parse(new TextDecoder().decode(payload)) as SuccessionPayload).key;
  }
  const { payload, protectedHeader } = await compactVerify(revocation, await importJWK(signer as never, 'EdDSA'));
  expect(protectedHeader).toMatchObject({ alg: 'EdDSA', typ: JOSE_TYPE.revocation });
  return JSON.parse(new TextDecoder().decode(payload)) as RevocationPayload;
}

describe('the 401 for a credential whose site is over (docs/instances.md §3)', () => {
  it('says so to who proves a device API key, on every route, and always the same', async () => {
    const gone = await device();
    await revoke(gone);
    const { data } = await refused(() => deviceToken(app.root.url, gone.apiKey));
    const statement = await opened(data!);
    expect(statement).toEqual({ iss: orgUid, sub: gone.deviceId, iat: expect.any(Number), reason: 'revoked' });
    expect((await refused(() => self(`Bearer ${gone.apiKey}`))).data).toEqual(data);
  });

  it('says so to a newt by id and secret, as Basic, and by a session token that it got before', async () => {
    const gone = await newt();
    const { token } = (await newtToken(app.root.url, gone.newtId, gone.secret)).body.data;
    await revoke(gone);
    const ways = [
      () => newtToken(app.root.url, gone.newtId, gone.secret),
      () => self(basic(gone.newtId, gone.secret)),
      () => self(`Bearer ${token}`),
    ];
    for (const way of ways)
      expect(await opened((await refused(way)).data!)).toMatchObject({ sub: gone.deviceId, reason: 'revoked' });
  });

  it('is to everybody else exactly what it is for a credential that never was', async () => {
    const [gone, there, third] = [await newt(), await newt(), await device()];
    await revoke(gone);
    await refused(() => newtToken(app.root.url, gone.newtId, gone.secret));
    const { text } = await refused(() => newtToken(app.root.url, 'never-was', 'x'));
    const others = [
      () => newtToken(app.root.url, gone.newtId, there.secret),
      () => newtToken(app.root.url, there.newtId, gone.secret),
      () => newtToken(app.root.url, gone.newtId, ''),
      () => newtToken(app.root.url, `${gone.newtId}${gone.secret.slice(0, 1)}`, gone.secret.slice(1)),
      () => self(basic(gone.newtId, there.secret)),
      () => deviceToken(app.root.url, `${third.apiKey}x`),
      () => deviceToken(app.root.url, gone.secret),
      () => new Api(app.root.url).post('/auth/device/get-token'),
    ];
    for (const other of others) expect((await refused(other)).text).toBe(text);
  });

  it('names the reason: rejected, deleted, expired', async () => {
    const [waiting, there, short] = [await device(pendingKey), await device(), await device(key, { ephemeral: true })];
    await app.root.expect('DELETE', `/site/${waiting.siteId}`);
    await app.root.expect('DELETE', `/site/${there.siteId}`);
    await app.sql(`UPDATE server SET lease_since = now() - interval '1 day'`);
    await app.sql(`UPDATE site SET created_at = now() - interval '1 hour' WHERE site_id = $1`, [short.siteId]);
    await app.get(SiteExpiry).removeDue();
    const reasons = [];
    for (const { apiKey, deviceId } of [waiting, there, short]) {
      const { sub, reason } = await opened((await refused(() => deviceToken(app.root.url, apiKey))).data!);
      expect(sub).toBe(deviceId);
      reasons.push(reason);
    }
    expect(reasons).toEqual(['rejected', 'deleted', 'expired']);
  });

  it('outlives the organization, whose keys and statements stay apart from another one of the same name', async () => {
    const [one, two] = [await device(), await newt()];
    await app.root.expect('DELETE', `/org/${org.orgId}`);
    await app.makeOrg(org.orgId);
    const first = await refused(() => deviceToken(app.root.url, one.apiKey));
    const second = await refused(() => newtToken(app.root.url, two.newtId, two.secret));
    expect(await opened(first.data!)).toMatchObject({ iss: orgUid, sub: one.deviceId, reason: 'deleted' });
    expect(await opened(second.data!)).toMatchObject({ iss: orgUid, sub: two.deviceId, reason: 'deleted' });
  });

  it('is signed with the key of now, and leads to it from the first', async () => {
    const gone = await device();
    await revoke(gone);
    await app.root.expect('POST', org.path('signing-key/rotate'));
    await app.root.expect('POST', org.path('signing-key/rotate'));
    const { data } = await refused(() => deviceToken(app.root.url, gone.apiKey));
    expect(data!.successions).toHaveLength(2);
    expect(await opened(data!)).toMatchObject({ sub: gone.deviceId });
  });

  it('says nothing to who was superseded: by a nonce that asked again, or by a new owner', async () => {
    const again = { hardware_id: newHardwareId(), claim_nonce: newNonce(), provision_key: key.siteProvisioningKey };
    const first = (await provision(app.root.url, again)).body.api_key;
    const second = (await provision(app.root.url, again)).body.api_key;
    expect((await deviceToken(app.root.url, second)).status).toBe(200);
    expect((await refused(() => deviceToken(app.root.url, first))).data).toBeNull();
    const former = await device();
    await app.root.expect('POST', `/site/${former.siteId}/allow-reclaim`, {});
    const owner = (
      await provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: former.hardwareId })
    ).body;
    expect((await refused(() => deviceToken(app.root.url, former.apiKey))).data).toBeNull();
    // Nor is it made of them when the site ends later.
    await revoke(former);
    expect((await refused(() => deviceToken(app.root.url, former.apiKey))).data).toBeNull();
    expect(await opened((await refused(() => deviceToken(app.root.url, owner.api_key))).data!)).toMatchObject({
      sub: former.deviceId,
    });
  });

  it('is not said of a suspended site', async () => {
    const { siteId, apiKey } = await device();
    await app.root.expect('POST', `/site/${siteId}`, { status: 'pending' });
    expect((await deviceToken(app.root.url, apiKey)).status).toBe(200);
    expect(await app.sql('SELECT FROM site_revocation WHERE org_uid = $1', [orgUid])).toEqual([]);
  });

  it('is written with the act or not at all', async () => {
    const { siteId, apiKey } = await device();
    await app.sql(`CREATE FUNCTION no_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
      CREATE TRIGGER no_event BEFORE INSERT ON event FOR EACH ROW WHEN (NEW.type = 'site.revoked') EXECUTE FUNCTION no_event()`);
    expect((await app.root.post(`/site/${siteId}/revoke`, {})).status).toBe(500);
    await app.sql('DROP FUNCTION no_event CASCADE');
    expect(await app.sql('SELECT FROM site_revocation WHERE org_uid = $1', [orgUid])).toEqual([]);
    expect((await deviceToken(app.root.url, apiKey)).status).toBe(200);
  });

  it('is known of credentials that nothing authenticates by yet, too', async () => {
    const psk = await org.keyUnder({ credentialType: 'psk' });
    const { siteId, deviceId } = await device(psk);
    await revoke({ siteId });
    expect(
      await app.sql(
        `SELECT r.reason FROM site_revocation r JOIN site_credential c ON r.credential_hash = sha256(convert_to('psk:' || c.psk_identity, 'UTF8')) WHERE r.device_id = $1`,
        [deviceId],
      ),
    ).toEqual([{ reason: 'revoked' }]);
  });
});

describe('a session whose site is over', () => {
  const connect = async (token: string) =>
    TestSession.connect(`${app.root.url.replace('http', 'ws')}/api/v1/ws`, token);

  it('is told so at the upgrade, by a token from before', async () => {
    const gone = await device();
    const { token } = (await deviceToken(app.root.url, gone.apiKey)).body.data;
    await revoke(gone);
    const { status, body } = (await connect(token).catch((refused: unknown) => refused)) as Refused & {
      body: { data?: RevocationNotice };
    };
    expect([status, body.code]).toEqual([401, 'credential_unusable']);
    expect(await opened(body.data!)).toMatchObject({ sub: gone.deviceId, reason: 'revoked' });
  });

  it('is told so before it is closed, as an agent; a newt is only closed', async () => {
    const [agent, plain, deleted] = [await device(), await newt(), await device()];
    const session = await connect((await deviceToken(app.root.url, agent.apiKey)).body.data.token);
    const other = await connect((await deviceToken(app.root.url, deleted.apiKey)).body.data.token);
    const newtSession = await connect((await newtToken(app.root.url, plain.newtId, plain.secret)).body.data.token);
    for (const one of [session, other]) {
      one.send('agent/hello', { protocol: 1, version: '1', capabilities: [], facts: {} });
      await one.message('agent/state');
    }
    await revoke(agent);
    await revoke(plain);
    await app.root.expect('DELETE', `/site/${deleted.siteId}`);
    expect(await session.closed).toEqual({ code: 4003, reason: 'revoked' });
    expect(await other.closed).toEqual({ code: 4003, reason: 'deleted' });
    expect((await newtSession.closed).code).toBe(4003);
    const told = (one: TestSession) =>
      one.received.filter(({ type }) => type === 'agent/revoked').map(({ data }) => data as never as RevocationNotice);
    expect(await opened(told(session)[0]!)).toMatchObject({ sub: agent.deviceId, reason: 'revoked' });
    expect(await opened(told(other)[0]!)).toMatchObject({ sub: deleted.deviceId, reason: 'deleted' });
    expect(session.received.at(-1)!.type).toBe('agent/revoked');
    expect(told(newtSession)).toEqual([]);
  });
});

describe('a revocation', () => {
  const daysKept = async (deviceId: string) =>
    (
      await app.sql<{ days: number }>(
        `SELECT round(extract(epoch FROM keep_until - now()) / 86400)::int AS days FROM site_revocation WHERE device_id = $1`,
        [deviceId],
      )
    )[0]?.days;

  it('is never older than the last lease, which a server may have dated by a clock that is ahead', async () => {
    const { siteId, apiKey } = await device();
    const ahead = `now() + interval '1 hour'`;
    const [{ iat }] = (await app.sql<{ iat: string }>(
      `INSERT INTO site_lease (site_id, org_id, jti, expires_at) VALUES ($1, $2, 'a', ${ahead} + interval '1 day')
       RETURNING floor(extract(epoch FROM expires_at))::bigint - 86400 AS iat`,
      [siteId, org.orgId],
    )) as [{ iat: string }];
    await revoke({ siteId });
    const { data } = await refused(() => deviceToken(app.root.url, apiKey));
    expect((await opened(data!)).iat).toBe(Number(iat));
  });

  it('is kept for 31 days beyond the last lease, and the keys of a deleted organization as long', async () => {
    const [leased, lapsed, none] = [await device(), await device(), await device()];
    await app.sql(
      `INSERT INTO site_lease (site_id, org_id, jti, expires_at) VALUES ($1, $3, 'a', now() + interval '1 day'), ($2, $3, 'b', now() - interval '60 days')`,
      [leased.siteId, lapsed.siteId, org.orgId],
    );
    await app.root.expect('DELETE', `/org/${org.orgId}`);
    expect([await daysKept(leased.deviceId), await daysKept(lapsed.deviceId), await daysKept(none.deviceId)]).toEqual([
      32, 31, 31,
    ]);
    const keys = () => app.sql('SELECT FROM signing_key WHERE org_uid = $1', [orgUid]);
    await app.sql(`UPDATE signing_key SET created_at = now() - interval '2 days'`);
    await app.sql(
      `UPDATE site_revocation SET keep_until = now() - interval '1 second' WHERE device_id = ANY ($1::uuid[])`,
      [[lapsed.deviceId, none.deviceId]],
    );
    await app.get(Retention).sweep();
    expect(await daysKept(none.deviceId)).toBeUndefined();
    expect(await daysKept(leased.deviceId)).toBe(32);
    expect(await keys()).toHaveLength(2);
    await app.sql('UPDATE site_revocation SET keep_until = now() WHERE device_id = $1', [leased.deviceId]);
    await app.get(Retention).sweep();
    expect(await keys()).toEqual([]);
    expect((await app.sql('SELECT FROM signing_key')).length).toBeGreaterThan(0);
  });
});
