import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type RequestOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, newHardwareId, type TestKey, TestOrg } from '../support/api.js';
import { bouncyCastle } from '../support/bouncy-castle.js';
import { selfSigned } from '../support/certificate.js';
import { queryDatabase } from '../support/database.js';
import { basic, certificatesIn, EstDevice } from '../support/est.js';
import { freePort, startServer, type TestServer } from '../support/server.js';

let plain: TestServer;
/** The same installation, over TLS. */
let server: TestServer;
/** Where it asks machines for a certificate. */
let devicePort: number;
let folder: string;
let cert: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-est-'));
  const pair = await selfSigned('0a');
  cert = pair.cert;
  writeFileSync(join(folder, 'cert.pem'), pair.cert);
  writeFileSync(join(folder, 'key.pem'), pair.key);
  plain = await startServer();
  devicePort = await freePort();
  server = await startServer({
    databaseUrl: plain.databaseUrl,
    env: {
      DEVICE_TLS_PORT: String(devicePort),
      TLS_CERT_FILE: join(folder, 'cert.pem'),
      TLS_KEY_FILE: join(folder, 'key.pem'),
      NODE_EXTRA_CA_CERTS: join(folder, 'cert.pem'),
    },
  });
});
afterAll(async () => {
  await server?.stop();
  await plain?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const key = async (): Promise<TestKey> =>
  (await TestOrg.create(Api.root(plain))).keyUnder({ credentialType: 'certificate' });

/** The id of the authority of a key's organization. */
async function authorityOf(provisioningKey: string): Promise<string> {
  const { text } = await ask({
    path: '/.well-known/est/cacerts',
    headers: { authorization: basic('x', provisioningKey) },
  });
  return certificatesIn(text)[0]!.subject.split(' ').at(-1)!;
}

/** Over TLS, by Node alone. */
async function ask(options: RequestOptions, body?: string): Promise<{ status: number; text: string }> {
  const sent = request({ host: '127.0.0.1', port: server.port, ca: cert, agent: false, ...options });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode!, text };
}

/** The lines of docs/credentials.md §6, as they stand there, with the address of this server. */
function documented(): string {
  const page = readFileSync(fileURLToPath(new URL('../../docs/credentials.md', import.meta.url)), 'utf8');
  const block = /```sh\n(openssl req [\s\S]*?)```/.exec(page)![1]!;
  expect(block).toContain('https://gate.example.com/');
  return block
    .replace('https://gate.example.com', server.url)
    .replace('curl ', `curl --cacert ${join(folder, 'cert.pem')} `);
}

const found = async (program: string): Promise<boolean> =>
  promisify(execFile)(
    program,
    ['version'].map((flag) => (program === 'curl' ? '--version' : flag)),
  ).then(
    () => true,
    () => false,
  );

describe('EST over TLS (docs/credentials.md §6)', () => {
  it('gives a certificate to a device with Node alone, and nothing over plain HTTP', async () => {
    const { siteProvisioningKey } = await key();
    const device = await EstDevice.make(newHardwareId());
    const headers = {
      authorization: basic(device.hardwareId, siteProvisioningKey),
      'content-type': 'application/pkcs10',
    };
    const body = await device.csr();
    const refused = await fetch(`${plain.url}/.well-known/est/simpleenroll`, { method: 'POST', headers, body });
    expect(refused.status).toBe(403);
    // What it says of itself counts only from a proxy that is believed.
    const pretended = await fetch(`${plain.url}/.well-known/est/simpleenroll`, {
      method: 'POST',
      headers: { ...headers, 'x-forwarded-proto': 'https' },
      body,
    });
    expect(pretended.status).toBe(403);
    const { status, text } = await ask({ method: 'POST', path: '/.well-known/est/simpleenroll', headers }, body);
    expect(status, text).toBe(200);
    const [certificate] = certificatesIn(text);
    const trusted = await ask({ path: '/.well-known/est/cacerts', headers: { authorization: headers.authorization } });
    expect(certificate!.verify(certificatesIn(trusted.text)[0]!.publicKey)).toBe(true);
  });

  it('renews a certificate for who presents it, and lets the next one take its place', async () => {
    const { siteProvisioningKey } = await key();
    const device = await EstDevice.make(newHardwareId());
    const headers = { 'content-type': 'application/pkcs10' };
    const post = (path: string, body: string, more: RequestOptions = {}) =>
      ask({ method: 'POST', port: devicePort, path: `/.well-known/est/${path}`, ...more }, body);
    const authorization = basic(device.hardwareId, siteProvisioningKey);
    const first = await post('simpleenroll', await device.csr(), { headers: { ...headers, authorization } });
    expect(first.status, first.text).toBe(200);
    const certificate = certificatesIn(first.text)[0]!;
    const present = { cert: certificate.toString(), key: await device.key(), headers };

    const successor = await EstDevice.make(device.hardwareId);
    const csr = await successor.csr(certificate.subject);
    expect((await post('simplereenroll', csr, { headers })).status).toBe(401);
    expect((await post('simplereenroll', await successor.csr('CN=other'), present)).status).toBe(400);
    const second = await post('simplereenroll', csr, present);
    expect(second.status, second.text).toBe(200);
    const next = certificatesIn(second.text)[0]!;
    expect(next.subject).toBe(certificate.subject);
    expect(await successor.owns(next)).toBe(true);
    const self = { cert: next.toString(), key: await successor.key(), port: devicePort, path: '/api/v1/device/self' };
    expect((await ask(self)).status).toBe(200);
    const stages = await queryDatabase<{ stage: string }>(
      plain.databaseUrl,
      'SELECT stage FROM site_credential JOIN site USING (site_id) WHERE hardware_id = $1 ORDER BY credential_id',
      [device.hardwareId],
    );
    expect(stages.map(({ stage }) => stage)).toEqual(['previous', 'current']);
  });

  it('does what the documentation says with curl and openssl', async () => {
    if (!(await found('curl')) || !(await found('openssl'))) return;
    const { siteProvisioningKey } = await key();
    const env = { ...process.env, HARDWARE_ID: '00:1b:44:11:3a:b7', PROVISIONING_KEY: siteProvisioningKey };
    await promisify(execFile)('sh', ['-ec', documented()], { cwd: folder, env });
    const certificate = new X509Certificate(readFileSync(join(folder, 'device.pem')));
    const { stdout } = await promisify(execFile)('openssl', ['pkey', '-in', join(folder, 'device.key'), '-pubout']);
    expect(certificate.publicKey.export({ type: 'spki', format: 'pem' })).toBe(stdout);

    // As RFC 7030 A.1 has it: the authorities first, asked for with a password.
    const curl = (...args: string[]) =>
      promisify(execFile)('curl', ['-fsS', '--cacert', join(folder, 'cert.pem'), ...args]);
    const path = `${server.url}/.well-known/est/cacerts`;
    const { stdout: authorities } = await curl('--anyauth', '-u', `${env.HARDWARE_ID}:${siteProvisioningKey}`, path);
    writeFileSync(join(folder, 'cacerts.p7'), Buffer.from(authorities, 'base64'));
    const { stdout: pem } = await promisify(execFile)('openssl', [
      ...['pkcs7', '-inform', 'DER', '-print_certs', '-in', join(folder, 'cacerts.p7')],
    ]);
    writeFileSync(join(folder, 'ca.pem'), pem);
    const verified = await promisify(execFile)('openssl', [
      ...['verify', '-purpose', 'sslclient', '-CAfile', join(folder, 'ca.pem'), join(folder, 'device.pem')],
    ]);
    expect(verified.stdout).toContain('OK');
  });

  // npm, Python and Debian have no client program of EST; curl and openssl, above, are what devices script. Bouncy Castle has a client as a library, which
  // runs where it is found.
  const castle = bouncyCastle();
  it.skipIf(castle === undefined)('enrols and renews Bouncy Castle, whose client asks bare first', async () => {
    const { siteProvisioningKey } = await key();
    // It takes no user with a colon.
    const [hardwareId, caId] = ['00-1b-44-11-3a-b8', await authorityOf(siteProvisioningKey)];
    const program = fileURLToPath(new URL('../support/est-client/EstClient.java', import.meta.url));
    const { stdout } = await promisify(execFile)('java', [
      ...['-cp', castle!, program, `127.0.0.1:${devicePort}`, caId, join(folder, 'cert.pem')],
      ...[hardwareId, siteProvisioningKey, folder],
    ]);
    expect(stdout).toContain('authorities 1');
    const [first, next] = ['first', 'next'].map(
      (name) => new X509Certificate(readFileSync(join(folder, `${name}.pem`))),
    );
    expect(next!.subject).toBe(first!.subject);
    expect(next!.publicKey.equals(first!.publicKey)).toBe(false);
    const stages = await queryDatabase<{ stage: string; serial: string }>(
      plain.databaseUrl,
      'SELECT stage, serial FROM site_credential JOIN site USING (site_id) WHERE hardware_id = $1 ORDER BY credential_id',
      [hardwareId],
    );
    expect(stages).toEqual([
      { stage: 'current', serial: first!.serialNumber.toLowerCase() },
      { stage: 'next', serial: next!.serialNumber.toLowerCase() },
    ]);
  });
});
