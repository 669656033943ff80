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

describe('an endpoint', () => {
  it('may have a path, kept for requests and websocket', async () => {
    server = await FakeServer.start();
    const agent = start({ endpoint: `${server.url}/gate/` });
    await agent.waitsFor('claim-retry');
    expect(server.paths).toEqual(['POST /gate/api/v1/auth/newt/register']);
  });
});
