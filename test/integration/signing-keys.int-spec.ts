import 'reflect-metadata';
import { createPublicKey, verify } from 'node:crypto';
import { calculateJwkThumbprint, compactVerify, importJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JOSE_TYPE, type SigningJwk, type SuccessionPayload, type Trust } from '#contracts';
import { orgUidOf } from '#platform';
import { SigningKeys } from '../../src/instances/index.js';
import type { SigningKeysView } from '../../src/instances/trust/trust.dto.js';
import { type Provisioned, provision, type TestKey } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let other: StartedApp;
let here: SigningKeys;
let there: SigningKeys;
beforeAll(async () => {
  app = await openTestApp();
  other = await startApp(app.database.url);
  [here, there] = [app.get(SigningKeys), other.app.get(SigningKeys)];
});
afterAll(async () => {
  await other?.close();
  await app?.close();
});

let serial = 0;
async function org(): Promise<{ orgId: string; orgUid: string }> {
  const orgId = `signs${serial++}`;
  await app.makeOrg(orgId);
  return { orgId, orgUid: await orgUidOf(app.db.manager, operator, orgId) };
}
const headerOf = (jws: string) => JSON.parse(Buffer.from(jws.split('.')[0]!, 'base64url').toString()) as object;
/** Follows the statements of a trust from its first key, as an instance does. @returns the key that they lead to */
async function follow(trust: Trust): Promise<SigningJwk & { kid: string }> {
  let key = trust.keys[0]!;
  let announced: string | undefined;
  for (const succession of trust.successions) {
    const { payload, protectedHeader } = await compactVerify(succession, await importJWK(key, 'EdDSA'));
    const statement = JSON.parse(new TextDecoder().decode(payload)) as SuccessionPayload;
    expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: JOSE_TYPE.succession, kid: key.kid });
    const kid = await calculateJwkThumbprint(statement.key);
    if (announced !== undefined) expect(kid).toBe(announced);
    announced = statement.next;
    key = { ...statement.key, kid, seq: statement.seq };
  }
  return key;
}

describe('signing keys (docs/instances.md §3)', () => {
  it('are made once, whoever asks first, and sign so that others can check it', async () => {
    const { orgUid } = await org();
    const asked = await Promise.all(Array.from({ length: 8 }, (_, i) => (i % 2 ? here : there).thumbprints(orgUid)));
    expect(new Set(asked.map((thumbprints) => JSON.stringify(thumbprints))).size).toBe(1);
    expect(await app.sql('SELECT seq, state FROM signing_key WHERE org_uid = $1 ORDER BY seq', [orgUid])).toEqual([
      { seq: 1, state: 'current' },
      { seq: 2, state: 'next' },
    ]);
    const jws = await here.sign(orgUid, JOSE_TYPE.lease, { sub: 'a' });
    expect(await there.sign(orgUid, JOSE_TYPE.lease, { sub: 'a' })).toBe(jws);
    expect(headerOf(jws)).toEqual({ alg: 'EdDSA', typ: 'gatehouse-lease+jws', kid: asked[0]!.current });
    // By node:crypto alone: RFC 7515 and 8037.
    const [key] = (await here.trust(orgUid)).keys;
    const [protectedPart, payload, signature] = jws.split('.');
    const publicKey = createPublicKey({ key: { kty: key!.kty, crv: key!.crv, x: key!.x }, format: 'jwk' });
    expect(
      verify(null, Buffer.from(`${protectedPart}.${payload}`), publicKey, Buffer.from(signature!, 'base64url')),
    ).toBe(true);
    expect(await calculateJwkThumbprint(key!)).toBe(asked[0]!.current);
  });

  it('follow one another as announced; each process signs with the new one, and the old private half is gone', async () => {
    const { orgId, orgUid } = await org();
    const announced = [(await there.thumbprints(orgUid)).next];
    for (let turn = 0; turn < 3; turn++) {
      const { current, next } = await app.root.expect<SigningKeysView>('POST', `/org/${orgId}/signing-key/rotate`);
      expect(current).toBe(announced.at(-1));
      announced.push(next);
    }
    await until(async () => (await there.thumbprints(orgUid)).next === announced[3]);
    expect(headerOf(await there.sign(orgUid, JOSE_TYPE.lease, {}))).toMatchObject({ kid: announced[2] });
    const trust = await there.trust(orgUid);
    expect(trust.keys.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(await follow(trust)).toMatchObject({ kid: announced[2] });
    const rows = await app.sql<{ state: string; sealed: boolean }>(
      'SELECT state, sealed_key IS NOT NULL AS sealed FROM signing_key WHERE org_uid = $1 ORDER BY seq',
      [orgUid],
    );
    expect(rows.map(({ state, sealed }) => `${state} ${sealed}`)).toEqual([
      'retired false',
      'retired false',
      'retired false',
      'current true',
      'next true',
    ]);
  });

  it('of many rotations at once one wins, and the chain stays whole', async () => {
    const { orgId, orgUid } = await org();
    await here.thumbprints(orgUid);
    const replies = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        (i % 2 ? app.root : app.root.as(other.root.authorization)).post(`/org/${orgId}/signing-key/rotate`),
      ),
    );
    const won = replies.filter(({ status }) => status === 200).length;
    expect(replies.every(({ status }) => status === 200 || status === 409)).toBe(true);
    expect(won).toBeGreaterThan(0);
    await until(async () => (await here.trust(orgUid)).keys.length === won + 1);
    const { current } = await here.thumbprints(orgUid);
    expect(await follow(await here.trust(orgUid))).toMatchObject({ kid: current });
  });

  it('are rotated ten times in thirty days at most, but by the admin command: the way from the first stays short', async () => {
    const { orgId, orgUid } = await org();
    const rotate = () => app.root.post(`/org/${orgId}/signing-key/rotate`);
    for (let turn = 0; turn < 10; turn++) expect((await rotate()).status).toBe(200);
    const before = await here.thumbprints(orgUid);
    const refused = await rotate();
    expect([refused.status, refused.body.message]).toEqual([409, expect.stringContaining('10 times in 30 days')]);
    // Nothing of it stays.
    expect(await here.thumbprints(orgUid)).toEqual(before);
    expect(await here.rotate(operator, orgId)).toMatchObject({ current: before.next });
    expect((await rotate()).status).toBe(409);
    await app.sql(
      `UPDATE signing_key SET retired_at = retired_at - interval '30 days' WHERE org_uid = $1 AND seq < 3`,
      [orgUid],
    );
    const { current } = await app.root.expect<SigningKeysView>('POST', `/org/${orgId}/signing-key/rotate`);
    await until(async () => (await here.thumbprints(orgUid)).current === current);
    const trust = await here.trust(orgUid);
    expect(await follow(trust)).toMatchObject({ kid: current });
    expect(JSON.stringify(trust).length / trust.keys.length).toBeLessThan(700);
  });

  it('can have the next one kept apart, without which nothing follows', async () => {
    const { orgId, orgUid } = await org();
    const { next } = await here.thumbprints(orgUid);
    await expect(here.exportNext(operator, orgId, () => Promise.reject(new Error('no paper')))).rejects.toThrow(
      'no paper',
    );
    let pem = '';
    await here.exportNext(operator, orgId, async (text) => void (pem = text));
    expect(await calculateJwkThumbprint(createPublicKey(pem).export({ format: 'jwk' }) as SigningJwk)).toBe(next);
    await expect(here.exportNext(operator, orgId, async () => undefined)).rejects.toMatchObject({ code: 'conflict' });
    const refused = await app.root.post(`/org/${orgId}/signing-key/rotate`);
    expect([refused.status, refused.body.message]).toEqual([409, expect.stringContaining('--key-file')]);
    const stranger = await org();
    let foreign = '';
    await here.exportNext(operator, stranger.orgId, async (text) => void (foreign = text));
    await expect(here.rotate(operator, orgId, foreign)).rejects.toMatchObject({ code: 'validation' });
    await expect(here.rotate(operator, orgId, 'no key')).rejects.toMatchObject({ code: 'validation' });
    expect(await here.rotate(operator, orgId, pem)).toMatchObject({ current: next });
    expect(await follow(await here.trust(orgUid))).toMatchObject({ kid: next });
    expect(headerOf(await here.sign(orgUid, JOSE_TYPE.lease, {}))).toMatchObject({ kid: next });
  });

  it('are nothing to who has the database and not the master key, and cannot be moved to another organization', async () => {
    const { orgId, orgUid } = await org();
    const stranger = await org();
    await Promise.all([here.thumbprints(orgUid), here.thumbprints(stranger.orgUid)]);
    const [row] = await app.sql<{ sealed: Buffer }>(
      `SELECT sealed_key AS sealed FROM signing_key WHERE org_uid = $1 AND seq = 2`,
      [orgUid],
    );
    expect(row!.sealed.includes('PRIVATE KEY')).toBe(false);
    await app.sql('UPDATE signing_key SET sealed_key = $2 WHERE org_uid = $1 AND seq = 2', [
      stranger.orgUid,
      row!.sealed,
    ]);
    expect((await app.root.post(`/org/${stranger.orgId}/signing-key/rotate`)).status).toBe(500);
    expect(await app.root.expect('GET', `/org/${orgId}/signing-keys`)).toMatchObject({
      keys: [{ seq: 1 }, { seq: 2 }],
    });
  });

  it('are read by the sites of the organization, and by operators with what to print', async () => {
    const { orgId, orgUid } = await org();
    const key = await app.root.expect<TestKey>('PUT', `/org/${orgId}/site-provisioning-key`, {
      name: 'k',
      maxBatchSize: 1,
    });
    const { api_key } = (await provision(app.root.url, { provision_key: key.siteProvisioningKey })).body as Provisioned;
    expect(await app.root.as(api_key).expect('GET', '/device/trust')).toEqual(await here.trust(orgUid));
    const view = await (await app.orgKey(orgId, 'getOrg')).expect<SigningKeysView>('GET', `/org/${orgId}/signing-keys`);
    expect(view.trustFingerprint).toBe(`${view.current}.${view.next}`);
    expect(view.keys.map(({ state }) => state)).toEqual(['current', 'next']);
    expect((await app.root.as(api_key).get(`/org/${orgId}/signing-keys`)).status).toBe(403);
    expect((await (await app.orgKey(orgId, 'getOrg')).post(`/org/${orgId}/signing-key/rotate`)).status).toBe(403);
  });
});
