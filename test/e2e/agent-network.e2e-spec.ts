import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AgentOptions } from '../../libs/agent/src/index.js';
import { TestAgent } from '../support/agent.js';
import { FakeServer, KEY } from '../support/fake-server.js';

const HOST = 'gatehouse.test'; // in no DNS: only the proxy of the test knows where it is
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
type Issued = { certificate: X509Certificate; keys: webcrypto.CryptoKeyPair; certificatePem: string; keyPem: string };

let folder: string;
let ca: Issued;
let server: FakeServer;
let agents: TestAgent[];
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-tls-'));
  ca = await issue('Test CA');
  const [host, client, stranger] = await Promise.all([issue('server', ca), issue('client', ca), issue('Stranger CA')]);
  for (const [name, issued] of Object.entries({ ca, host, client, stranger })) {
    writeFileSync(file(`${name}.pem`), issued.certificatePem);
    writeFileSync(file(`${name}.key`), issued.keyPem);
  }
  tls = { cert: host.certificatePem, key: host.keyPem };
});
afterAll(() => rmSync(folder, { recursive: true }));
let tls: { cert: string; key: string };

beforeEach(() => {
  agents = [];
});
afterEach(async () => {
  for (const agent of agents) await agent.remove();
  await server.stop();
});

async function issue(name: string, issuer?: Issued): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: String(Math.floor(Math.random() * 1e9)),
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    extensions: issuer
      ? [
          new SubjectAlternativeNameExtension([
            { type: 'dns', value: HOST },
            { type: 'ip', value: '127.0.0.1' },
          ]),
        ]
      : [new BasicConstraintsExtension(true)],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    certificate,
    keys,
    certificatePem: certificate.toString('pem'),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
  };
}

function start(cli: object, options: Partial<AgentOptions> = {}): TestAgent {
  const agent = TestAgent.start({ endpoint: server.url, provisioningKey: KEY, ...cli }, options);
  agents.push(agent);
  return agent;
}

describe('TLS', () => {
  beforeEach(async () => {
    server = await FakeServer.start(tls);
  });

  it('does not trust a private CA by itself', async () => {
    const agent = start({});
    await agent.waitsFor('claim-retry');
    expect(server.claims).toEqual([]);
  });

  it('trusts a private CA given alone, for requests and websocket', async () => {
    start({ tlsClientCa: [file('ca.pem')] });
    await server.session();
  });

  it('trusts the given CA only', async () => {
    const agent = start({ tlsClientCa: [file('stranger.pem')] });
    await agent.waitsFor('claim-retry');
    expect(server.claims).toEqual([]);
  });

  it('trusts anybody with SKIP_TLS_VERIFY, and says so', async () => {
    const agent = start({}, { env: { SKIP_TLS_VERIFY: 'true' } });
    await server.session();
    expect(agent.output).toMatch(/WARN .*SKIP_TLS_VERIFY/);
  });

  it('shows a client certificate to a server that asks for one', async () => {
    await server.stop();
    server = await FakeServer.start({ ...tls, ca: ca.certificatePem, requestCert: true, rejectUnauthorized: true });
    const without = start({ tlsClientCa: [file('ca.pem')] });
    await without.waitsFor('claim-retry');
    expect(server.claims).toEqual([]);
    start({ tlsClientCa: [file('ca.pem')], tlsClientCertFile: file('client.pem'), tlsClientKey: file('client.key') });
    await server.session();
  });

  it.each<[string, object]>([
    ['a missing file', { tlsClientCa: ['/nonexistent.pem'] }],
    ['half a pair', { tlsClientCertFile: '/x.pem' }],
    ['PEM and PKCS12', { tlsClientCertFile: '/x.pem', tlsClientKey: '/x.key', tlsClientCert: '/x.p12' }],
  ])('ends with 78 for %s', async (_what, cli) => {
    expect(await start(cli).agent.done).toMatchObject({ code: 78 });
  });

  it('takes a CA file with Windows line ends and a mark in front', async () => {
    writeFileSync(file('windows.pem'), `\uFEFF${ca.certificatePem.replaceAll('\n', '\r\n')}`);
    start({ tlsClientCa: [file('windows.pem')] });
    await server.session();
  });

  describe('names the file that it cannot use', () => {
    const cut = () => ca.certificatePem.slice(0, 200);
    const der = () => Buffer.from(ca.certificate.rawData);
    const key = () => Buffer.from(ca.keyPem.replace(/-----.*-----|\n/g, ''), 'base64');
    const damaged = () => ca.certificatePem.replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
    it.each<[string, () => string | Buffer, RegExp]>([
      ['empty', () => '', /the CA file .*bad\.pem is empty/],
      ['blank', () => ' \r\n\0', /the CA file .*bad\.pem is empty/],
      ['DER', der, /the CA file .*bad\.pem is DER, not PEM: convert it with openssl x509 -inform der -in .*bad\.pem/],
      ['text', () => 'hello', /the CA file .*bad\.pem is not PEM: it has no line that begins with -----BEGIN/],
      ['not text', () => Buffer.from([0x80, 0xff, 0x81, 0x90]), /the CA file .*bad\.pem is not PEM: it is neither/],
      ['a key', () => ca.keyPem, /the CA file .*bad\.pem holds no whole certificate/],
      ['cut short', cut, /the CA file .*bad\.pem holds no whole certificate/],
      ['damaged', damaged, /the CA file .*bad\.pem cannot be read/],
      [
        'damaged in its second',
        () => `${ca.certificatePem}\n${damaged()}`,
        /certificate 2 of the CA file .*bad\.pem cannot be read/,
      ],
    ])('a CA that is %s', async (_what, content, message) => {
      writeFileSync(file('bad.pem'), content());
      expect(await start({ tlsClientCa: [file('ca.pem'), file('bad.pem')] }).agent.done).toMatchObject({
        code: 78,
        message: expect.stringMatching(message),
      });
    });

    it.each<[string, () => string | Buffer, object, RegExp]>([
      [
        'certificate in DER',
        der,
        { tlsClientCertFile: 'bad', tlsClientKey: 'client.key' },
        /client certificate .* DER/,
      ],
      ['certificate, empty', () => '', { tlsClientCertFile: 'bad', tlsClientKey: 'client.key' }, /certificate .*empty/],
      ['key in DER', key, { tlsClientCertFile: 'client.pem', tlsClientKey: 'bad' }, /client key .* DER.*openssl pkey/],
      ['key, empty', () => '', { tlsClientCertFile: 'client.pem', tlsClientKey: 'bad' }, /client key .* is empty/],
      [
        'key that is a certificate',
        () => ca.certificatePem,
        { tlsClientCertFile: 'client.pem', tlsClientKey: 'bad' },
        /client key .* holds no private key/,
      ],
      [
        'key of another certificate',
        () => ca.keyPem,
        { tlsClientCertFile: 'client.pem', tlsClientKey: 'bad' },
        /client certificate .*client\.pem with the key .*bad\.pem cannot be used/,
      ],
      ['PKCS12, empty', () => '', { tlsClientCert: 'bad' }, /PKCS12 file .* is empty/],
      ['PKCS12 that is PEM', () => ca.certificatePem, { tlsClientCert: 'bad' }, /PKCS12 file .* is PEM/],
      ['PKCS12 that is a certificate', der, { tlsClientCert: 'bad' }, /PKCS12 file .* cannot be used/],
    ])('a %s', async (_what, content, settings, message) => {
      writeFileSync(file('bad.pem'), content());
      const cli = Object.fromEntries(
        Object.entries(settings).map(([name, value]) => [name, file(value === 'bad' ? 'bad.pem' : String(value))]),
      );
      expect(await start({ tlsClientCa: [file('ca.pem')], ...cli }).agent.done).toMatchObject({
        code: 78,
        message: expect.stringMatching(message),
      });
    });
  });

  it('ends with 78 for a certificate that is none', async () => {
    expect(await start({ tlsClientCertFile: file('ca.key'), tlsClientKey: file('ca.key') }).agent.done).toMatchObject({
      code: 78,
    });
  });
});

describe('a proxy', () => {
  let proxy: Server;
  let connects: string[];
  let credentials: (string | undefined)[];
  beforeEach(async () => {
    connects = [];
    credentials = [];
    proxy = createServer((_request, response) => response.writeHead(405).end());
    proxy.on('connect', (request, socket, head: Buffer) => {
      connects.push(request.url ?? '');
      credentials.push(request.headers['proxy-authorization']);
      const upstream = connect(server.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connected\r\n\r\n');
        upstream.write(head);
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => void proxy.close()); // its tunnels end with the agents
  const proxyUrl = () => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

  it('carries requests and the websocket of an https endpoint', async () => {
    server = await FakeServer.start(tls);
    start(
      { endpoint: `https://${HOST}:${server.port}`, tlsClientCa: [file('ca.pem')] },
      { env: { HTTPS_PROXY: proxyUrl().replace('//', '//user:pass@') } },
    );
    await server.session();
    expect(connects).toEqual(Array(3).fill(`${HOST}:${server.port}`));
    expect(credentials).toEqual(Array(3).fill(`Basic ${Buffer.from('user:pass').toString('base64')}`));
  });

  it('carries those of an http endpoint by HTTP_PROXY', async () => {
    server = await FakeServer.start();
    start({ endpoint: `http://${HOST}:${server.port}` }, { env: { HTTP_PROXY: proxyUrl() } });
    await server.session();
    expect(connects).toHaveLength(3);
  });

  it('is left out by NO_PROXY', async () => {
    server = await FakeServer.start();
    const agent = start(
      { endpoint: `http://${HOST}:${server.port}` },
      { env: { HTTP_PROXY: proxyUrl(), NO_PROXY: '.test' } },
    );
    await agent.waitsFor('claim-retry'); // the name is unknown without the proxy
    expect(connects).toEqual([]);
  });
});

describe('a session that does not come through a proxy', () => {
  it.each<[string, number, string]>([
    ['a page', 200, '<html>hello</html>'],
    [
      "the server's own 404, to a request without its Upgrade",
      404,
      JSON.stringify({ success: false, error: true, message: 'Not found' }),
    ],
    ['a refusal', 403, ''],
  ])('is answered by %s: the log says in one sentence what is missing', async (_what, status, body) => {
    server = await FakeServer.start();
    server.on.upgrade = () => ({ status, body });
    const agent = start({});
    await agent.waitsFor('reconnect');
    expect(agent.output).toContain(
      `session ended: the session request was answered with ${status}: a proxy in between does not pass on the websocket`,
    );
  });

  it('is not blamed on a proxy when the server itself says why', async () => {
    server = await FakeServer.start();
    server.on.upgrade = () => ({
      status: 503,
      body: JSON.stringify({ success: false, error: true, message: 'The server is stopping' }),
    });
    const agent = start({});
    await agent.waitsFor('reconnect');
    expect(agent.output).toContain('session ended: the session request was answered with 503: The server is stopping');
  });
});

describe('an endpoint', () => {
  it('may have a path, kept for requests and websocket', async () => {
    server = await FakeServer.start();
    const agent = start({ endpoint: `${server.url}/gate/` });
    await agent.waitsFor('claim-retry');
    expect(server.paths).toEqual(['POST /gate/api/v1/auth/newt/register']);
  });
});
