import 'reflect-metadata';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviceToken, newHardwareId, newtToken, provision, register, type TestKey } from '../support/api.js';
import { behindProxy } from '../support/behind-proxy.js';
import { DeviceKey } from '../support/device-certificates.js';
import { basic, EstDevice, estOf } from '../support/est.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let { est, enrol, certificateIn, newOrg, newKey } = {} as ReturnType<typeof estOf>;
const proxy = behindProxy();
const { proving } = proxy;
const FLOOR_MS = 200;
beforeAll(async () => {
  app = await openTestApp({
    ...proxy.env,
    REFUSALS_PER_MINUTE: '100000',
    CLAIM_REFUSAL_FLOOR_MS: String(FLOOR_MS),
  });
  ({ est, enrol, certificateIn, newOrg, newKey } = estOf(app));
});
afterAll(async () => {
  await app?.close();
  proxy.remove();
});

interface Enrolled {
  device: EstDevice;
  pem: string;
  subject: string;
}
async function enrolled(key: TestKey): Promise<Enrolled> {
  const device = await EstDevice.make(newHardwareId());
  const certificate = certificateIn(await enrol(device, key));
  return { device, pem: certificate.toString(), subject: certificate.subject };
}

describe('simplereenroll (docs/credentials.md §6)', () => {
  it('has the one refusal of EST, whatever is wrong', async () => {
    const { orgId, key, caId } = await newOrg();
    const another = await newOrg();
    const [here, there, revoked, sealed] = [
      await enrolled(key),
      await enrolled(another.key),
      await enrolled(key),
      await enrolled(key),
    ];
    const siteOf = async ({ subject }: Enrolled) =>
      (
        await app.sql<{ id: number }>('SELECT site_id AS id FROM site WHERE device_id = $1', [
          subject.replace('CN=', ''),
        ])
      )[0]!.id;
    await app.root.expect('POST', `/site/${await siteOf(revoked)}/revoke`, {});
    await app.sql(`INSERT INTO site_bundle (site_id, org_id, bundle_key, bundle_jkt) VALUES ($1, $2, '{}', 'x')`, [
      await siteOf(sealed),
      orgId,
    ]);
    const apiKeys = await newKey(orgId, { credentialType: 'api_key' });
    const { api_key: apiKey } = (
      await provision(app.root.url, { provision_key: apiKeys.siteProvisioningKey, hardware_id: newHardwareId() })
    ).body;
    const { token } = (await deviceToken(app.root.url, apiKey)).body.data;
    const newt = (await register(app.root.url, { provisioningKey: apiKeys.siteProvisioningKey })).body.data;
    expect((await newtToken(app.root.url, newt.newtId, newt.secret)).status).toBe(200);
    const imitation = await (await DeviceKey.make()).imitate(here.pem);

    const own = await here.device.csr(here.subject);
    const reenrol = (headers: Record<string, string>, { label = '', body = own } = {}) =>
      est(`${label}simplereenroll`, { body, headers });
    const good = proving(here.pem);
    const answers = {
      'no claim': await est('simpleenroll', { body: own }),
      nothing: await reenrol({}),
      'nothing, at an authority': await reenrol({}, { label: `${caId}/` }),
      'a provisioning key': await reenrol({ authorization: basic(here.device.hardwareId, key.siteProvisioningKey) }),
      'no base64': await reenrol({ authorization: 'Basic !!' }),
      'a key that never was': await reenrol({ authorization: 'Bearer sk_live_x' }),
      'an API key': await reenrol({ authorization: `Bearer ${apiKey}` }),
      'a session token': await reenrol({ authorization: `Bearer ${token}` }),
      'a newt': await reenrol({ authorization: basic(newt.newtId, newt.secret) }),
      'a certificate of a revoked site': await reenrol(proving(revoked.pem)),
      'an imitation': await reenrol(proving(imitation)),
      "another organization's authority": await reenrol(good, { label: `${another.caId}/` }),
      "nobody's authority": await reenrol(good, { label: `${'a'.repeat(16)}/` }),
      "another site's public key": await reenrol(good, { body: await there.device.csr(here.subject) }),
      'a site that would be asked a challenge': await reenrol(proving(sealed.pem), {
        body: await sealed.device.csr(sealed.subject),
      }),
    };
    const faces = Object.entries(answers).map(([what, { status, headers, text }]) => {
      const { date: _, 'x-request-id': __, ...rest } = Object.fromEntries(headers);
      return { what, face: { status, rest, text } };
    });
    const [first] = faces;
    expect(first!.face.rest['www-authenticate']).toBe('Basic realm="gatehouse"');
    expect([first!.face.status, first!.face.text]).toEqual([401, '']);
    expect(faces).toEqual(faces.map(({ what }) => ({ what, face: first!.face })));
    expect(await app.sql(`SELECT FROM site_credential WHERE stage = 'next'`)).toEqual([]);
    certificateIn(await reenrol(good));
  });

  it('keeps the floor of all refusals (docs/claims.md rule 2)', async () => {
    const began = performance.now();
    const { status } = await est('simplereenroll', { body: 'x' });
    expect([status, performance.now() - began >= FLOOR_MS]).toEqual([401, true]);
  });

  it('says to who may renew what is wrong with the request', async () => {
    const { key } = await newOrg();
    const { device, pem, subject } = await enrolled(key);
    const headers = proving(pem);
    const cases: [string, string, number][] = [
      ['other subject', await device.csr('CN=another'), 400],
      ['nothing', ' ', 400],
      ['line noise', '%$&\r\n\0\u001b[31m', 400],
      ['no request', Buffer.from('hello').toString('base64'), 400],
      ['too long', 'A'.repeat(40_000), 413],
    ];
    for (const [what, body, status] of cases) {
      const answer = await est('simplereenroll', { body, headers });
      expect([what, answer.status, answer.headers.get('www-authenticate')]).toEqual([what, status, null]);
    }
    const json = await est('simplereenroll', {
      body: '{}',
      headers: { ...headers, 'content-type': 'application/json' },
    });
    expect([json.status, JSON.parse(json.text)]).toMatchObject([415, { message: expect.stringContaining('PKCS#10') }]);
    expect(subject).toMatch(/^CN=/);
  });
});

describe('EST over plain HTTP', () => {
  /** From one of this machine's addresses. */
  async function from(localAddress: string, path: string, headers: Record<string, string>, body?: string) {
    const { port } = new URL(app.root.url);
    const method = body === undefined ? 'GET' : 'POST';
    const sent = request({ host: '127.0.0.1', port, path: `/.well-known/est/${path}`, method, headers, localAddress });
    sent.end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return { status: response.statusCode!, challenge: response.headers['www-authenticate'], text };
  }

  it('is 403 at every address, before what was presented is read', async () => {
    const { key, caId } = await newOrg();
    const { device, subject } = await enrolled(key);
    const body = await device.csr(subject);
    const before = await app.sql('SELECT FROM claim');
    for (const authorization of [basic(device.hardwareId, key.siteProvisioningKey), 'Basic !!', 'Bearer sk_live_x', ''])
      for (const path of ['cacerts', 'simpleenroll', 'simplereenroll'].flatMap((one) => [one, `${caId}/${one}`])) {
        const answer = await est(path, {
          headers: { 'x-forwarded-proto': 'http', ...(authorization ? { authorization } : {}) },
          ...(path.endsWith('cacerts') ? {} : { body }),
        });
        expect([path, authorization, answer.status, answer.headers.get('www-authenticate')]).toEqual([
          path,
          authorization,
          403,
          null,
        ]);
      }
    expect(await app.sql('SELECT FROM claim')).toHaveLength(before.length);
  });

  it('is TLS where a proxy of TRUST_PROXY says so, the last of what it says, and of nobody else', async () => {
    const { key, caId } = await newOrg();
    const device = await EstDevice.make(newHardwareId());
    const body = await device.csr();
    const headers = {
      authorization: basic(device.hardwareId, key.siteProvisioningKey),
      'content-type': 'application/pkcs10',
    };
    const enrolFrom = (address: string, proto: string) =>
      from(address, 'simpleenroll', { ...headers, 'x-forwarded-proto': proto }, body);
    const FORGED = ['https', 'HTTPS', 'http, https', 'https, https'];
    for (const proto of FORGED) expect([proto, (await enrolFrom('127.0.0.2', proto)).status]).toEqual([proto, 403]);
    expect((await from('127.0.0.2', `${caId}/cacerts`, { 'x-forwarded-proto': 'https' })).status).toBe(403);
    expect((await from('127.0.0.2', 'simplereenroll', { ...headers, 'x-forwarded-proto': 'https' }, body)).status).toBe(
      403,
    );
    expect((await from('127.0.0.2', `${caId}/cacerts`, { forwarded: 'proto=https' })).status).toBe(403);
    // What its client has sent stands before what the proxy says.
    for (const proto of ['http', 'https, http', '', 'httpsx'])
      expect([proto, (await enrolFrom('127.0.0.1', proto)).status]).toEqual([proto, 403]);
    expect(await app.sql('SELECT FROM claim WHERE key_id = $1', [key.siteProvisioningKeyId])).toEqual([]);
    expect((await enrolFrom('127.0.0.1', 'https')).status).toBe(200);
    expect((await enrolFrom('127.0.0.1', 'http, https')).status).toBe(200);
  });
});
