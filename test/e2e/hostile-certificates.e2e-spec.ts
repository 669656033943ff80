import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Api, newHardwareId, type TestKey, TestOrg } from '../support/api.js';
import { behindProxy } from '../support/behind-proxy.js';
import { basic, certificatesIn, EstDevice } from '../support/est.js';
import { HOSTILE_CSRS } from '../support/hostile-csrs.js';
import { BODIES, PATH_VALUES } from '../support/hostile-inputs.js';
import { startServer, type TestServer } from '../support/server.js';

const LARGEST_ANSWER = 32 * 1024;
const AT_ONCE = 4;

const proxy = behindProxy();
let server: TestServer;
let key: TestKey;
let caId: string;
/** Of a device whose certificate is good. */
let device: EstDevice;
let pem: string;
let subject: string;

beforeAll(async () => {
  server = await startServer({ env: { ...proxy.env, REFUSALS_PER_MINUTE: '1000000', CLAIM_REFUSAL_FLOOR_MS: '0' } });
  const org = await TestOrg.create(Api.root(server));
  key = await org.keyUnder({ credentialType: 'certificate' });
  const { authorities } = await Api.root(server).expect<{ authorities: { caId: string }[] }>(
    'GET',
    org.path('certificate-authorities'),
  );
  caId = authorities[0]!.caId;
  device = await EstDevice.make(newHardwareId());
  const answer = await ask({ path: EST('simpleenroll'), headers: enrolling(device), body: await device.csr() });
  const [certificate] = certificatesIn(answer.text);
  pem = certificate!.toString();
  subject = certificate!.subject;
});
afterAll(async () => {
  await server?.stop();
  proxy.remove();
});
/** What the server did not expect is in its log, whatever was answered. */
afterEach(() =>
  expect(
    server.logs
      .splice(0)
      .filter((line) => /"level":(50|60)/.test(line))
      .slice(0, 5),
  ).toEqual([]),
);

interface Shot {
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  json?: object;
}
interface Answer {
  status: number;
  text: string;
  challenge: string | null;
}

const EST = (what: string, label = '') => `/.well-known/est/${label}${what}`;
const PKCS10 = { 'content-type': 'application/pkcs10' };
const enrolling = ({ hardwareId }: { hardwareId: string }) => ({
  ...proxy.tls,
  ...PKCS10,
  authorization: basic(hardwareId, key.siteProvisioningKey),
});

async function ask({ path, headers, body, json }: Shot): Promise<Answer> {
  const sent = json === undefined ? body : JSON.stringify(json);
  const response = await fetch(`${server.url}${path}`, {
    method: sent === undefined ? 'GET' : 'POST',
    headers: { ...(json ? { 'content-type': 'application/json' } : {}), ...headers },
    ...(sent === undefined ? {} : { body: sent as string }),
  });
  return {
    status: response.status,
    text: await response.text(),
    challenge: response.headers.get('www-authenticate'),
  };
}

/** @returns what was answered wrongly: not one of these, or with many words; others are answered meanwhile. */
async function fire(shots: Shot[], allowed: number[]): Promise<string[]> {
  const wrong: string[] = [];
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < shots.length; i = next++) {
      const shot = shots[i]!;
      const { status, text, challenge } = await ask(shot);
      const isWrong =
        !allowed.includes(status) || text.length > LARGEST_ANSWER || (challenge !== null) !== (status === 401);
      if (isWrong && !(status === 401 && !shot.path.startsWith('/.well-known/')))
        wrong.push(`${shot.path} ${JSON.stringify(shot).slice(0, 200)}: ${status} ${text.slice(0, 200)}`);
    }
  };
  const health = async () => {
    do expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    while (next < shots.length);
  };
  await Promise.all([...Array.from({ length: AT_ONCE }, lane), health()]);
  return wrong;
}

describe('a hostile signing request', () => {
  it.each(HOSTILE_CSRS.map(({ name, der }) => [name, der] as const))(
    'of %s is answered with few words at every door',
    async (_, der) => {
      const base64 = der.toString('base64');
      const csr = `-----BEGIN CERTIFICATE REQUEST-----\n${base64}\n-----END CERTIFICATE REQUEST-----`.slice(0, 16_384);
      const proving = proxy.proving(pem);
      const doors: Shot[] = [
        { path: EST('simpleenroll'), headers: enrolling({ hardwareId: newHardwareId() }), body: base64 },
        { path: EST('simplereenroll', `${caId}/`), headers: { ...proving, ...PKCS10 }, body: base64 },
        {
          path: '/api/v1/provision',
          json: { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId(), csr },
        },
        { path: '/api/v1/device/credential/renew', headers: proving, json: { csr } },
      ];
      // A name, however long, is ignored at a claim: some of them are requests.
      expect(await fire(doors, [200, 201, 400, 401, 403])).toEqual([]);
    },
  );
});

describe('wrong requests at EST', () => {
  it('are refused, whatever is in the body', async () => {
    const good = (await device.csr(subject)).replace(/\s/g, '');
    const bodies: (string | Buffer)[] = [
      ...BODIES.filter(({ length }) => length < 30_000),
      ...[1, 2, 3, 100, 1000, 24_000].flatMap((length) => [
        randomBytes(length),
        randomBytes(length).toString('base64'),
      ]),
      // One bit of a right one, at every tenth byte.
      ...Array.from({ length: Math.floor((good.length * 3) / 40) }, (_, i) => {
        const bytes = Buffer.from(good, 'base64');
        bytes[i * 10]! ^= 1 << (i % 8);
        return bytes.toString('base64');
      }),
      '='.repeat(30_000),
      '\r\n'.repeat(15_000),
      `${'A'.repeat(30_000)}!`,
    ];
    const shots = bodies.flatMap((body): Shot[] => [
      { path: EST('simpleenroll'), headers: enrolling({ hardwareId: newHardwareId() }), body },
      { path: EST('simplereenroll'), headers: { ...proxy.proving(pem), ...PKCS10 }, body },
    ]);
    expect(await fire(shots, [400])).toEqual([]);
    const json = shots.map(({ headers, ...shot }) => ({
      ...shot,
      headers: { ...headers, 'content-type': 'application/json' },
    }));
    expect(await fire(json.slice(0, 40), [400, 415])).toEqual([]);
  });

  it('are refused, whoever they say they are from', async () => {
    const body = await device.csr(subject);
    const users = [
      '',
      ':',
      'a',
      ':a',
      'a:',
      'a:b:c',
      '\0:a',
      'x'.repeat(3000),
      '\ud83d\ude00:spk_a.b',
      "' OR 1=1:spk_a.b",
    ];
    const values = [
      ...users
        .flatMap((text) => [text, `${text}:${key.siteProvisioningKey}x`])
        .map((text) => `Basic ${Buffer.from(text).toString('base64')}`),
      'Basic',
      'Basic =',
      'basic !!!!',
      `Basic ${'A'.repeat(8_000)}`,
      'Bearer sk_live_x',
      'Negotiate x',
      'Basic YTpi, Basic YTpi',
    ];
    const shots = values.flatMap((authorization) =>
      ['cacerts', 'simpleenroll', 'simplereenroll'].map(
        (what): Shot => ({
          path: EST(what),
          headers: { ...proxy.tls, authorization, ...(what === 'cacerts' ? {} : PKCS10) },
          ...(what === 'cacerts' ? {} : { body }),
        }),
      ),
    );
    expect(await fire(shots, [401])).toEqual([]);
  });

  it('and of lists lead nowhere with authorities that are none', async () => {
    const body = await device.csr(subject);
    const paths = PATH_VALUES.flatMap((value): Shot[] => [
      { path: EST('cacerts', `${value}/`), headers: proxy.tls },
      {
        path: EST('simpleenroll', `${value}/`),
        headers: enrolling({ hardwareId: newHardwareId() }),
        body,
      },
      { path: EST('simplereenroll', `${value}/`), headers: { ...proxy.proving(pem), ...PKCS10 }, body },
      { path: `/api/v1/ca/${value}/crl` },
    ]);
    expect(await fire(paths, [400, 401, 404, 414])).toEqual([]);
    const conditions = ['*', '"x"', 'W/"', ',', '"'.repeat(4_000), '-1', 'Thu, 99 Foo 9999 99:99:99 GMT'];
    const asked = conditions.flatMap((value): Shot[] => [
      { path: `/api/v1/ca/${caId}/crl`, headers: { 'if-none-match': value } },
      { path: `/api/v1/ca/${caId}/crl`, headers: { 'if-modified-since': value } },
    ]);
    expect(await fire(asked, [200, 304])).toEqual([]);
  });
});

describe('Client-Cert of any shape', () => {
  it('is 400, or no certificate that anybody was issued', async () => {
    const bytes = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const flipped = Array.from({ length: 40 }, (_, i) => {
      const other = Buffer.from(bytes);
      other[Math.floor((i * bytes.length) / 40)]! ^= 1;
      return other;
    });
    const values = [
      ...[...flipped, ...[1, 2, 100, 9_000].map((length) => randomBytes(length)), ...HOSTILE_CSRS.map(({ der }) => der)]
        .map((der) => `:${der.toString('base64')}:`)
        .filter(({ length }) => length < 13_000),
      ':',
      ':::',
      'x',
      ':!:',
      ':A=A:',
      `:${'='.repeat(10_000)}:`,
      `${':A'.repeat(5_000)}:`,
      `:${bytes.toString('base64')}:;x=1`,
      `:${bytes.toString('base64')}:, :${bytes.toString('base64')}:`,
      bytes.toString('base64'),
      encodeURIComponent(pem),
    ];
    const body = await device.csr(subject);
    const shots = values.flatMap((value): Shot[] => [
      { path: '/api/v1/device/self', headers: proxy.telling(value) },
      { path: `/api/v1/ca/${caId}/crl`, headers: proxy.telling(value) },
      { path: EST('simplereenroll'), headers: { ...proxy.telling(value), ...PKCS10 }, body },
    ]);
    expect(
      await fire(
        shots.filter((_, i) => i % 3 !== 1),
        [400, 401],
      ),
    ).toEqual([]);
    // Who may ask without one may do so with one that nobody was issued.
    expect(
      await fire(
        shots.filter((_, i) => i % 3 === 1),
        [200, 400],
      ),
    ).toEqual([]);
  });
});
