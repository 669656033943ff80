// The rules are those of docs/instances.md §4.
import 'reflect-metadata';
import { createHash, randomBytes } from 'node:crypto';
import { type CompactJWEHeaderParameters, compactDecrypt, compactVerify, decodeProtectedHeader, importJWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkBundle } from '#bootstrap';
import { type BundlePayload, EPOCH, type Trust } from '#contracts';
import { KeyRing } from '#platform';
import { SecretsService } from '../../src/instances/index.js';
import { newNonce } from '../support/api.js';
import { BundleOrg, type BundleSite, type KeyPair } from '../support/bundles.js';
import { secretValue } from '../support/secret-values.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: BundleOrg;
let site: BundleSite;
let key: KeyPair;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  org = await BundleOrg.create(app);
  site = await org.site();
  key = await org.bundleKey(site);
});

const first = EPOCH + 1;
const DOCUMENT = {
  env: { DATABASE_URL: 'postgres://app:{{secret.DB_PASSWORD | uri}}@db/app', WHO: '{{site.niceId}} {{env.HOME}}' },
  files: [
    {
      path: 'config/app.yaml',
      content: 'zone: {{label.zone | default "none" | json}}\ntoken: {{secret.DB_PASSWORD}}\n',
    },
  ],
  config: { org: '{{org.id}}' },
};
const fetchBundle = (headers: Record<string, string> = {}, of = site) =>
  app.root.as(of.apiKey, headers).get('/device/bundle');
const sealedBy = (value: string) =>
  app.sql('UPDATE provisioning_profile SET sealed = $2 WHERE profile_id = $1', [org.profileId, value]);

/** What an instance does: opens, verifies against the keys of its organization, reads. */
async function opened(jose: string, pair = key) {
  const { plaintext, protectedHeader } = await compactDecrypt(jose, await importJWK(pair.privateJwk, 'ECDH-ES'));
  return { ...(await verified(new TextDecoder().decode(plaintext))), sealed: protectedHeader };
}
async function verified(jws: string) {
  const trust = await app.root.as(site.apiKey).expect<Trust>('GET', '/device/trust');
  const jwk = trust.keys.find(({ kid }) => kid === decodeProtectedHeader(jws).kid)!;
  const { payload, protectedHeader } = await compactVerify(jws, await importJWK(jwk, 'EdDSA'));
  const digest = createHash('sha256').update(jws).digest('base64url');
  return {
    payload: JSON.parse(new TextDecoder().decode(payload)) as BundlePayload,
    signed: protectedHeader,
    digest,
    trust,
  };
}

describe('a fetch', () => {
  it('answers the bundle of the site, signed by its organization and sealed for its key', async () => {
    const secret = secretValue(`pass word/${'x'.repeat(20)}`);
    await org.secret('DB_PASSWORD', secret);
    await org.revision(DOCUMENT);
    const { status, headers, text } = await fetchBundle();
    expect(status, text).toBe(200);
    expect(headers.get('content-type')).toMatch(/^application\/jose/);
    expect(headers.get('cache-control')).toBe('no-store');

    const { payload, sealed, signed, digest, trust } = await opened(text);
    expect(sealed).toEqual({
      alg: 'ECDH-ES',
      enc: 'A256GCM',
      cty: 'JOSE',
      epk: { kty: 'OKP', crv: 'X25519', x: expect.any(String) },
    } satisfies CompactJWEHeaderParameters);
    expect(signed).toEqual({ alg: 'EdDSA', typ: 'gatehouse-bundle+jws', kid: trust.keys.at(-1)!.kid });
    expect(headers.get('etag')).toBe(`"${digest}"`);
    expect(await org.bundle(site)).toMatchObject({ version: first, state: 'offered', digest });
    const [facts] = await app.sql<{ uid: string; niceId: string }>(
      'SELECT org_uid AS uid, nice_id AS "niceId" FROM site JOIN org USING (org_id) WHERE site_id = $1',
      [site.siteId],
    );
    const { next } = await app.root.expect<{ next: string }>('GET', org.org.path('signing-keys'));
    expect(payload).toMatchObject({
      iss: facts!.uid,
      sub: site.deviceId,
      aud: site.deviceId,
      ver: first,
      rnd: expect.stringMatching(/^[\w-]{22}$/),
      cnf: { jkt: key.jkt },
      keys: [next],
      env: { DATABASE_URL: [`postgres://app:${encodeURIComponent(secret)}@db/app`] },
      files: [{ path: 'config/app.yaml', mode: '0400', content: [`zone: "none"\ntoken: ${secret}\n`] }],
      config: { org: org.org.orgId },
    });
    expect(payload.env['WHO']).toEqual([`${facts!.niceId} `, expect.objectContaining({ env: 'HOME' })]);
    expect(checkBundle(payload)).toEqual([]);
  });

  it('is sealed for a key on P-256 too, as a secure element has it', async () => {
    key = await org.bundleKey(site, 'P-256');
    const { sealed, payload } = await opened((await fetchBundle()).text);
    expect(sealed.epk).toMatchObject({ kty: 'EC', crv: 'P-256' });
    expect(payload.cnf).toEqual({ jkt: key.jkt });
  });

  it('of a site without a bootstrap, or without a profile, is empty and still signed', async () => {
    const empty = { env: {}, files: [], config: {}, dependencies: [] };
    expect((await opened((await fetchBundle()).text)).payload).toMatchObject({ ver: first, ...empty });
    await app.root.expect('POST', `/site/${site.siteId}`, { profileId: null });
    expect((await opened((await fetchBundle()).text)).payload).toMatchObject({ ver: first + 1, ...empty });
  });

  it('is the same JWS each time, in another seal, and has nothing of another version', async () => {
    await org.revision({});
    const [one, two] = [await fetchBundle(), await fetchBundle()];
    expect(one.text).not.toBe(two.text);
    expect(one.headers.get('etag')).toBe(two.headers.get('etag'));
    await app.root.expect('POST', `/site/${site.siteId}/bundle/resend`);
    const three = await fetchBundle();
    const [before, after] = [await opened(one.text), await opened(three.text)];
    expect(after.payload.rnd).not.toBe(before.payload.rnd);
    expect({ ...after.payload, ver: 0, rnd: '' }).toEqual({ ...before.payload, ver: 0, rnd: '' });
  });

  it('with the digest that the caller has is 304 and renders nothing; another one is not', async () => {
    await org.secret('DB_PASSWORD');
    await org.revision(DOCUMENT);
    const etag = (await fetchBundle()).headers.get('etag')!;
    // Nothing could be rendered any more.
    await app.sql(
      `UPDATE secret_version SET sealed_value = sealed_value || '\\x00' WHERE secret_id IN (SELECT secret_id FROM secret WHERE org_id = $1)`,
      [org.org.orgId],
    );
    for (const value of [etag, `W/${etag}`, `"${'A'.repeat(43)}", ${etag}`]) {
      const { status, headers, text } = await fetchBundle({ 'if-none-match': value });
      expect([status, text, headers.get('etag')]).toEqual([304, '', etag]);
    }
    expect((await fetchBundle({ 'if-none-match': `"${'A'.repeat(43)}"` })).status).toBe(500);
    expect((await fetchBundle({ 'if-none-match': '*' })).status).toBe(500);
  });

  it('under another master key is the one that the site has; who has lost theirs gets the same version anew', async () => {
    await org.revision({});
    const device = app.root.as(site.apiKey);
    const digestOf = (etag: string | null) => etag!.slice(1, -1);
    const acknowledge = async (digest: string) => {
      for (const state of ['fetched', 'applied'])
        await device.expect('POST', '/device/bundle/ack', { version: first, digest, state });
    };
    const leased = async () => {
      const body = { nonce: newNonce(), prev: null, ver: first };
      const { lease } = await device.expect<{ lease: string }>('POST', '/device/lease', body);
      return (JSON.parse(Buffer.from(lease.split('.')[1]!, 'base64url').toString()) as { digest: string }).digest;
    };
    const etag = (await fetchBundle()).headers.get('etag')!;
    await acknowledge(digestOf(etag));
    const [ring, other] = [app.get(KeyRing), new KeyRing(randomBytes(32))];
    const spy = vi.spyOn(ring, 'mac').mockImplementation((purpose, value) => other.mac(purpose, value));
    try {
      expect((await fetchBundle({ 'if-none-match': etag })).status).toBe(304);
      expect(await leased()).toBe(digestOf(etag));
      const again = await fetchBundle();
      const { payload } = await opened(again.text);
      const anew = again.headers.get('etag')!;
      expect(payload.ver).toBe(first);
      expect(anew).not.toBe(etag);
      await acknowledge(digestOf(anew));
      expect(await org.bundle(site)).toMatchObject({ version: first, state: 'applied', digest: digestOf(anew) });
      expect(await leased()).toBe(digestOf(anew));
      expect((await fetchBundle({ 'if-none-match': anew })).status).toBe(304);
    } finally {
      spy.mockRestore();
    }
  });

  it('sees what has changed although nobody told of it', async () => {
    await org.revision({ env: { NAME: '{{site.name}}', ZONE: '{{label.zone}}' } });
    await app.sql(`UPDATE site SET labels = '{"zone": "eu"}' WHERE site_id = $1`, [site.siteId]);
    const etag = (await fetchBundle()).headers.get('etag')!;
    await app.sql(`UPDATE site SET name = 'Behind the back' WHERE site_id = $1`, [site.siteId]);
    const { status, text } = await fetchBundle({ 'if-none-match': etag });
    expect(status).toBe(200);
    expect((await opened(text)).payload).toMatchObject({ ver: first + 1, env: { NAME: ['Behind the back'] } });
    await app.sql(`UPDATE site SET labels = '{"zone": "us"}' WHERE site_id = $1`, [site.siteId]);
    expect((await opened((await fetchBundle()).text)).payload).toMatchObject({ ver: first + 2, env: { ZONE: ['us'] } });
    await app.sql('UPDATE bundle_epoch SET epoch = epoch + 1');
    try {
      expect((await opened((await fetchBundle()).text)).payload.ver).toBe(2 * EPOCH + 1);
    } finally {
      await app.sql('UPDATE bundle_epoch SET epoch = epoch - 1');
    }
  });

  it('of one site by many at once is one version', async () => {
    await org.revision({});
    const replies = await Promise.all(Array.from({ length: 12 }, () => fetchBundle()));
    expect(new Set(replies.map(({ headers }) => headers.get('etag'))).size).toBe(1);
    expect((await org.bundle(site))!.version).toBe(first);
  });

  it('is one of a few that are made at a time, however often a site asks', async () => {
    await org.secret('A');
    await org.revision({ env: { A: '{{secret.A}}' } });
    const secrets = app.get(SecretsService);
    const values = secrets.values.bind(secrets);
    let [made, most] = [0, 0];
    let goOn = () => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const spy = vi.spyOn(secrets, 'values').mockImplementation(async (...args) => {
      most = Math.max(most, ++made);
      await held;
      made--;
      return values(...args);
    });
    try {
      const replies = Array.from({ length: 30 }, () => fetchBundle());
      await until(async () => made >= 8 || undefined);
      await app.root.as(site.apiKey).expect('GET', '/device/trust');
      goOn();
      expect((await Promise.all(replies)).map(({ status }) => status)).toEqual(Array(30).fill(200));
      expect(most).toBe(8);
    } finally {
      spy.mockRestore();
    }
  });
});

describe('no bundle', () => {
  it('for a site that is pending or suspended', async () => {
    await app.root.expect('POST', `/site/${site.siteId}`, { status: 'pending' });
    const { status, body, headers } = await fetchBundle();
    expect([status, body.code]).toEqual([403, 'pending_approval']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await org.bundle(site)).toMatchObject({ version: null });
  });

  it('for a site without a key where the profile wants it sealed; unsealed where it does not, and never for one with a key', async () => {
    const keyless = await org.site();
    const refused = await fetchBundle({}, keyless);
    expect([refused.status, refused.body.code]).toEqual([409, 'bundle_key_missing']);
    await sealedBy('when_possible');
    const { text, headers } = await fetchBundle({}, keyless);
    const { payload, digest } = await verified(text);
    expect(payload).not.toHaveProperty('cnf');
    expect(payload.sub).toBe(keyless.deviceId);
    expect(headers.get('etag')).toBe(`"${digest}"`);
    expect((await fetchBundle()).text.split('.')).toHaveLength(5);
  });

  it('that names no value where it cannot be made; the next one can once the secret is back', async () => {
    const value = secretValue();
    const { secretVersionId } = await org.secret('DB_PASSWORD', value);
    await org.revision(DOCUMENT);
    const before = await fetchBundle();
    await app.sql(
      'UPDATE secret_version SET wrapped_key = NULL, sealed_value = NULL, destroyed_at = now() WHERE secret_version_id = $1',
      [secretVersionId],
    );
    // Who has it from before is told the same, and not that nothing has changed.
    for (const known of ['none', before.headers.get('etag')!]) {
      const refused = await fetchBundle({ 'if-none-match': known });
      expect([refused.status, refused.body.code]).toEqual([409, 'bundle_unusable']);
      expect(refused.text).not.toContain(value);
    }
    await org.secret('DB_PASSWORD', secretValue('back'));
    const { payload } = await opened((await fetchBundle()).text);
    expect(payload.files[0]!.content.join('')).toContain(`token: ${secretValue('back')}`);
    expect((await org.bundle(site))!.inputs.secrets).toMatchObject({ DB_PASSWORD: { version: 2 } });
  });

  it('never holds a version that was destroyed by force: its sites are offered the current one at once', async () => {
    await org.secret('DB_PASSWORD', secretValue('one'));
    await org.revision(DOCUMENT);
    await fetchBundle();
    await org.secret('DB_PASSWORD', secretValue('two'));
    const path = org.org.path('secret/DB_PASSWORD/version/1');
    expect((await app.root.delete(path)).status).toBe(409);
    await app.root.expect('DELETE', `${path}?force=true`);
    expect(await org.bundle(site)).toMatchObject({
      version: first + 1,
      inputs: { secrets: { DB_PASSWORD: { version: 2 } } },
    });
    expect((await opened((await fetchBundle()).text)).payload.files[0]!.content.join('')).toContain(
      `token: ${secretValue('two')}`,
    );
  });

  it('where a secret or label is not there, which says which', async () => {
    await org.revision({ env: { A: '{{secret.NOT_THERE}}' } });
    const refused = await fetchBundle();
    expect([refused.status, refused.body.code]).toEqual([409, 'bundle_unusable']);
    expect(refused.body.message).toContain('NOT_THERE');
    const { version } = (await org.bundle(site))!;
    await fetchBundle();
    expect((await org.bundle(site))!.version).toBe(version);
  });

  it('of more than a megabyte', async () => {
    for (const name of ['A', 'B', 'C']) await org.secret(name, secretValue('x'.repeat(60_000)));
    const content = '{{secret.A}}{{secret.B}}{{secret.C}}'.repeat(4);
    await org.revision({
      files: [
        { path: 'a', content },
        { path: 'b', content },
      ],
    });
    const refused = await fetchBundle();
    expect([refused.status, refused.body.code]).toEqual([409, 'bundle_unusable']);
    expect(refused.body.message).toContain('1048576 bytes');
  });

  it('for anybody but a site', async () => {
    expect((await app.root.get('/device/bundle')).status).toBe(403);
    expect((await app.root.as(undefined).get('/device/bundle')).status).toBe(401);
  });

  it('of the site of another organization', async () => {
    const stranger = await BundleOrg.create(app);
    const other = await stranger.site();
    await stranger.bundleKey(other);
    const { text } = await fetchBundle({}, other);
    await expect(opened(text)).rejects.toThrow();
  });
});

it('keeps nothing that a value could be guessed by', async () => {
  await org.secret('DB_PASSWORD', secretValue('1234'));
  await org.revision(DOCUMENT);
  const { text } = await fetchBundle();
  const { payload, digest } = await opened(text);
  expect((await org.bundle(site))!.digest).toBe(digest);
  // The stored digest depends on bits that the database does not hold.
  const dump = JSON.stringify(await app.sql('SELECT * FROM site_bundle WHERE site_id = $1', [site.siteId]));
  expect(dump).not.toContain(payload.rnd);
  expect(dump).not.toContain('1234"');
});
