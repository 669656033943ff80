import 'reflect-metadata';
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  webcrypto,
} from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newHardwareId } from '../support/api.js';
import { basic, certificatesIn, EstDevice, estOf, handmadeCsr } from '../support/est.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let { est, enrol, certificateIn, newOrg, newKey, caIdOf } = {} as ReturnType<typeof estOf>;
beforeAll(async () => {
  // A proxy that ends TLS stands before it: what it says of the connection counts.
  app = await openTestApp({ TRUST_PROXY: 'loopback', REFUSALS_PER_MINUTE: '100000', CLAIM_REFUSAL_FLOOR_MS: '0' });
  ({ est, enrol, certificateIn, newOrg, newKey, caIdOf } = estOf(app));
});
afterAll(() => app?.close());

const reasons = (orgId: string, count: number): Promise<string[]> =>
  until(async () => {
    const rows = await app.sql<{ reason: string; count: number }>(
      `SELECT reason, count FROM claim WHERE door = 'est' AND outcome = 'refused' AND org_id = $1 ORDER BY claim_id`,
      [orgId],
    );
    const all = rows.flatMap((row) => Array.from({ length: row.count }, () => row.reason));
    return all.length >= count && all;
  });
const macAddress = () => [...randomBytes(6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

/** Of a modulus that nobody knows the parts of. */
function rsaKey(bytes: number, exponent: number): KeyObject {
  const modulus = randomBytes(bytes);
  modulus[0]! |= 0x80;
  modulus[bytes - 1]! |= 1;
  const e = Buffer.from(
    exponent
      .toString(16)
      .padStart(6, '0')
      .replace(/^(00)+/, ''),
    'hex',
  );
  return createPublicKey({
    key: { kty: 'RSA', n: modulus.toString('base64url'), e: e.toString('base64url') },
    format: 'jwk',
  });
}

/** Under such a key what is signed is its own signature: anybody can make one. */
const exponentOne = () =>
  handmadeCsr(rsaKey(256, 1), 'rsa', (info) => {
    const hash = Buffer.concat([
      Buffer.from('3031300d060960864801650304020105000420', 'hex'),
      createHash('sha256').update(info).digest(),
    ]);
    return Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(256 - 3 - hash.length, 0xff), Buffer.from([0]), hash]);
  });

describe('EST (docs/credentials.md §6)', () => {
  it('enrols a device named by its MAC address: the subject is the device id, whatever it asks for', async () => {
    const { orgId, key, caId } = await newOrg();
    const device = await EstDevice.make(macAddress());
    const answer = await enrol(device, key, `${caId}/`);
    expect(answer.headers.get('content-type')).toBe('application/pkcs7-mime; smime-type=certs-only');
    const certificate = certificateIn(answer);
    const [site] = await app.sql<{ deviceId: string; hardwareId: string; hash: Buffer }>(
      `SELECT device_id AS "deviceId", hardware_id AS "hardwareId", nonce_hash AS hash FROM site JOIN claim_window USING (site_id) WHERE site.org_id = $1`,
      [orgId],
    );
    expect(certificate.subject).toBe(`CN=${site!.deviceId}`);
    expect(site!.hardwareId).toBe(device.hardwareId);
    expect(site!.hash.equals(await device.publicKeyHash())).toBe(true);
    expect(await device.owns(certificate)).toBe(true);
    const authorities = certificatesIn((await est(`${caId}/cacerts`)).text);
    expect(authorities.map((one) => one.subject)).toEqual([`CN=Gatehouse device CA ${caId}`]);
    expect(certificate.verify(authorities[0]!.publicKey)).toBe(true);
  });

  it('answers a lost request again: the same key within the window, one site and one use', async () => {
    const { orgId, key } = await newOrg({}, { maxBatchSize: 1 });
    const device = await EstDevice.make(newHardwareId());
    const answers = await Promise.all([enrol(device, key), enrol(device, key), enrol(device, key)]);
    const subjects = answers.map((answer) => certificateIn(answer).subject);
    expect(new Set(subjects).size).toBe(1);
    const [{ sites, uses } = { sites: 0, uses: 0 }] = await app.sql<{ sites: number; uses: number }>(
      'SELECT (SELECT count(*) FROM site WHERE org_id = $1) AS sites, (SELECT sum(uses) FROM provisioning_key WHERE org_id = $1) AS uses',
      [orgId],
    );
    expect({ sites: Number(sites), uses: Number(uses) }).toEqual({ sites: 1, uses: 1 });
  });

  it('refuses another key for a known hardware id and records it, unless the way back of docs/claims.md rule 13 is open', async () => {
    const { orgId, key } = await newOrg();
    const device = await EstDevice.make(newHardwareId());
    const { subject } = certificateIn(await enrol(device, key));
    const thief = await EstDevice.make(device.hardwareId);
    expect((await enrol(thief, key)).status).toBe(401);
    // Also once the rightful one has used its certificate.
    await app.sql('UPDATE claim_window SET authenticated_at = now(), closed_at = now() WHERE org_id = $1', [orgId]);
    expect((await enrol(thief, key)).status).toBe(401);
    expect((await enrol(device, key)).status).toBe(401);
    expect(await reasons(orgId, 3)).toEqual(['recognised', 'recognised', 'recognised']);
    const contests = await app.sql<{ count: number }>(
      `SELECT count FROM claim WHERE org_id = $1 AND outcome = 'contested'`,
      [orgId],
    );
    expect(contests).toEqual([{ count: 2 }]);
    const events = await app.sql(`SELECT FROM event WHERE org_id = $1 AND type = 'claim.contested'`, [orgId]);
    expect(events).toHaveLength(1);

    const [site] = await app.sql<{ id: number }>('SELECT site_id AS id FROM site WHERE org_id = $1', [orgId]);
    await app.root.expect('POST', `/site/${site!.id}/allow-reclaim`, {});
    const again = certificateIn(await enrol(thief, key));
    expect(again.subject).toBe(subject);
    expect(await device.owns(again)).toBe(false);
  });

  it('gives a pending site its certificate, and a form of hardware ids its normal form', async () => {
    const { orgId, key } = await newOrg({ approveNewSites: false, hardwareIdForm: 'mac' });
    certificateIn(await enrol(await EstDevice.make('AA-BB-CC-00-11-22'), key));
    expect(await app.sql('SELECT status, hardware_id FROM site WHERE org_id = $1', [orgId])).toEqual([
      { status: 'pending', hardware_id: 'aa:bb:cc:00:11:22' },
    ]);
  });

  it('has one refusal, whatever is wrong, and says why to operators only', async () => {
    const { orgId, key, caId } = await newOrg();
    const another = await newOrg();
    const apiKeys = await newKey(orgId, { credentialType: 'api_key' });
    const spent = await newKey(orgId, {}, { maxBatchSize: 1 });
    const used = await EstDevice.make(newHardwareId());
    certificateIn(await enrol(used, spent));
    const device = await EstDevice.make(newHardwareId());
    const body = await device.csr();
    const wrongSecret = {
      ...key,
      siteProvisioningKey: another.key.siteProvisioningKey.replace(
        another.key.siteProvisioningKeyId,
        key.siteProvisioningKeyId,
      ),
    };
    const answers = [
      await est('simpleenroll', { body }),
      await est(`${caId}/simpleenroll`, { body }),
      await est('cacerts'),
      await est('simpleenroll', { body, authorization: 'Basic !!' }),
      await est('simpleenroll', { body, authorization: 'Bearer x' }),
      await enrol(device, { ...key, siteProvisioningKey: 'spk_nonsense' }),
      await enrol(device, wrongSecret),
      await enrol(device, apiKeys),
      await enrol(device, spent),
      await enrol(device, key, `${another.caId}/`),
      await enrol(device, key, `${'a'.repeat(16)}/`),
      await enrol(device, another.key, `${caId}/`),
      await est('cacerts', { authorization: basic(device.hardwareId, 'spk_nonsense') }),
      // Somebody else's key pair, at another site and in another organization.
      await est('simpleenroll', {
        body: await used.csr(),
        authorization: basic(newHardwareId(), key.siteProvisioningKey),
      }),
      await est('simpleenroll', {
        body: await used.csr(),
        authorization: basic(newHardwareId(), another.key.siteProvisioningKey),
      }),
    ];
    const faces = answers.map(({ status, headers, text }) => {
      const { date: _, 'x-request-id': __, ...rest } = Object.fromEntries(headers);
      return JSON.stringify({ status, rest, text });
    });
    expect(new Set(faces).size).toBe(1);
    expect(answers[0]!.status).toBe(401);
    expect(answers[0]!.headers.get('www-authenticate')).toBe('Basic realm="gatehouse"');
    expect((await reasons(orgId, 5)).sort()).toEqual([
      'other_kind',
      'other_organization',
      'other_organization',
      'public_key_taken',
      'used_up',
    ]);
    expect((await reasons(another.orgId, 2)).sort()).toEqual(['other_organization', 'public_key_taken']);
    expect(await app.sql('SELECT FROM site WHERE org_id = $1', [another.orgId])).toEqual([]);
  });

  it('takes signing requests only, of a size and with keys that are worth something', async () => {
    const { key } = await newOrg();
    const authorization = basic(newHardwareId(), key.siteProvisioningKey);
    const device = await EstDevice.make(newHardwareId());
    const good = (await device.csr()).replace(/\s/g, '');
    const bytes = Buffer.from(good, 'base64');
    bytes[bytes.length - 1]! ^= 1;
    const make = async (algorithm: object): Promise<string> => {
      const keys = (await webcrypto.subtle.generateKey(algorithm as never, true, [
        'sign',
        'verify',
      ])) as webcrypto.CryptoKeyPair;
      const request = await x509.Pkcs10CertificateRequestGenerator.create({
        name: 'CN=x',
        keys,
        signingAlgorithm: { hash: 'SHA-256', ...algorithm } as never,
      });
      return Buffer.from(request.rawData).toString('base64');
    };
    const signed = (by: KeyObject) => (info: Buffer) => sign('sha256', info, by);
    const victim = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const thief = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const forged = handmadeCsr(victim.publicKey, 'ecdsa', signed(thief.privateKey));
    const offCurve = victim.publicKey.export({ type: 'spki', format: 'der' });
    offCurve[offCurve.length - 1]! ^= 1;
    const wrong: [string, string, number][] = [
      ['nothing', '', 400],
      ['no base64', '*****', 400],
      ['no request', Buffer.from('hello').toString('base64'), 400],
      ['not self-signed', bytes.toString('base64'), 400],
      [
        'RSA 1024',
        await make({
          name: 'RSASSA-PKCS1-v1_5',
          modulusLength: 1024,
          publicExponent: new Uint8Array([1, 0, 1]),
          hash: 'SHA-256',
        }),
        400,
      ],
      ['P-521', await make({ name: 'ECDSA', namedCurve: 'P-521' }), 400],
      ["another's public key", forged, 400],
      ['RSA with exponent 1', exponentOne(), 400],
      ['RSA 8192', handmadeCsr(rsaKey(1024, 65_537), 'rsa', () => randomBytes(1024)), 400],
      ['a point that is not on the curve', handmadeCsr(offCurve, 'ecdsa', signed(victim.privateKey)), 400],
      ['line noise', '\u0000\u001b[31m\r\n%$&\ufffd', 400],
      ['a request within noise', `${good}!`, 400],
      ['half of a request', good.slice(0, good.length / 2), 400],
      ['PEM', `-----BEGIN CERTIFICATE REQUEST-----\n${good}\n-----END CERTIFICATE REQUEST-----`, 400],
      ['a megabyte', 'A'.repeat(1_000_000), 413],
      ['a megabyte of line breaks', '\n'.repeat(1_000_000), 413],
    ];
    for (const [what, body, status] of wrong)
      expect([what, (await est('simpleenroll', { authorization, body })).status]).toEqual([what, status]);
    // Made by the same hand, and right.
    const right = handmadeCsr(victim.publicKey, 'ecdsa', signed(victim.privateKey));
    certificateIn(await est('simpleenroll', { authorization, body: right }));
    const json = await est('simpleenroll', {
      authorization,
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expect(json.status).toBe(415);
    const elsewhere = await fetch(`${app.root.url}/api/v1/provision`, {
      method: 'POST',
      headers: { 'content-type': 'application/pkcs10' },
      body: good,
    });
    expect(elsewhere.status).toBe(415);
  });

  it('gives who replays the request of another nothing but their certificate', async () => {
    const { orgId, key } = await newOrg();
    const device = await EstDevice.make(newHardwareId());
    const first = certificateIn(await enrol(device, key));
    // The same device id and hardware id: a certificate for a key that the thief has not.
    const replay = certificateIn(
      await est('simpleenroll', {
        body: await device.csr(),
        authorization: basic(device.hardwareId, key.siteProvisioningKey),
      }),
    );
    expect(replay.subject).toBe(first.subject);
    expect(await device.owns(replay)).toBe(true);
    // Knowing the public key is no claim nonce: the other door gives no credential for it.
    const apiKeys = await newKey(orgId, { credentialType: 'api_key' });
    const reply = await app.root.as(undefined).post('/provision', {
      provision_key: apiKeys.siteProvisioningKey,
      hardware_id: device.hardwareId,
      claim_nonce: (await device.publicKeyHash()).toString('base64url'),
    });
    expect(reply.body).toMatchObject({ api_key: '' });
  });

  it('tells of all authorities that are trusted, at the address of each, and takes claims there', async () => {
    const { orgId, key, caId } = await newOrg();
    await app.root.expect('POST', `/org/${orgId}/certificate-authority/rotate`, { overlapSeconds: 3600 });
    const current = await caIdOf(orgId);
    expect(current).not.toBe(caId);
    const device = await EstDevice.make(newHardwareId());
    const by = basic(device.hardwareId, key.siteProvisioningKey);
    for (const answer of [
      await est(`${caId}/cacerts`),
      await est(`${current}/cacerts`),
      await est('cacerts', { authorization: by }),
    ]) {
      expect(answer.status).toBe(200);
      expect(certificatesIn(answer.text).map((one) => one.subject)).toEqual(
        [current, caId].map((id) => `CN=Gatehouse device CA ${id}`),
      );
    }
    expect(certificateIn(await enrol(device, key, `${caId}/`)).issuer).toBe(`CN=Gatehouse device CA ${current}`);
    expect((await est(`${'a'.repeat(16)}/cacerts`)).status).toBe(404);
  });

  it('leaves who is asked for a key uncounted: a fleet behind one address is never too much', async () => {
    const limited = await openTestApp({
      TRUST_PROXY: 'loopback',
      REFUSALS_PER_MINUTE: '3',
      CLAIM_REFUSAL_FLOOR_MS: '0',
    });
    try {
      const ask = (authorization?: string) =>
        fetch(`${limited.root.url}/.well-known/est/simpleenroll`, {
          method: 'POST',
          headers: {
            'x-forwarded-proto': 'https',
            ...(authorization ? { authorization, 'content-type': 'application/pkcs10' } : {}),
          },
          ...(authorization ? { body: csr } : {}),
        });
      const csr = await (await EstDevice.make('x')).csr();
      const statuses: number[] = [];
      for (let i = 0; i < 6; i++) statuses.push((await ask()).status);
      for (let i = 0; i < 4; i++) statuses.push((await ask(basic('x', 'spk_x.y'))).status);
      expect(statuses).toEqual([401, 401, 401, 401, 401, 401, 401, 401, 401, 429]);
    } finally {
      await limited.close();
    }
  });

  it('has no other operations of EST, with a label and without', async () => {
    const { key, caId } = await newOrg();
    const authorization = basic(newHardwareId(), key.siteProvisioningKey);
    for (const label of ['', `${caId}/`]) {
      for (const name of ['fullcmc', 'serverkeygen', 'csrattrs'])
        expect({ name, status: (await est(`${label}${name}`, { authorization })).status }).toEqual({
          name,
          status: 404,
        });
      expect((await est(`${label}cacerts`, { authorization })).status).toBe(200);
    }
  });
});
