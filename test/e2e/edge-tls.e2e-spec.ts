import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EdgeListener } from '../../src/edge/index.js';
import { selfSigned } from '../support/certificate.js';
import { TestEdge, WebTarget } from '../support/edge.js';
import { until } from '../support/server.js';

let folder: string;
let edge: TestEdge;
let target: WebTarget;
let siteId: number;
let port: number;
let host: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-certs-'));
  edge = await TestEdge.start({ EDGE_TLS_PORT: '0', EDGE_CERT_DIR: folder });
  port = edge.app.get(EdgeListener).tlsPort!;
  target = await WebTarget.start((request, response) => void response.end(`secure ${request.url}`));
  ({ siteId } = await edge.site());
  host = await edge.publish(siteId, target.port);
});
afterAll(async () => {
  target?.stop();
  await edge?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A certificate for a name, in place at once. @returns its fingerprint */
async function give(name: string): Promise<string> {
  const { cert, key } = await selfSigned(randomBytes(8).toString('hex'));
  for (const [ending, text] of [
    ['key', key],
    ['crt', cert],
  ] as const) {
    writeFileSync(join(folder, 'new'), text);
    renameSync(join(folder, 'new'), join(folder, `${name}.${ending}`));
  }
  return new X509Certificate(cert).fingerprint256;
}

/** The fingerprint of the certificate that is shown to who asks for a name; undefined: none. */
async function shown(servername: string): Promise<string | undefined> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false });
  const is = await Promise.race([once(socket, 'secureConnect'), once(socket, 'error')]).catch(() => undefined);
  const fingerprint = is && !socket.destroyed ? socket.getPeerCertificate().fingerprint256 : undefined;
  socket.on('error', () => undefined).destroy();
  return fingerprint;
}

describe('over TLS', () => {
  it('a name has its certificate, or that of *.name; one without has no connection', async () => {
    expect(await shown(host)).toBeUndefined();
    const own = await give(host);
    await until(async () => (await shown(host)) === own);
    const all = await give('*.gate.example.net');
    await until(async () => (await shown('other.gate.example.net')) === all);
    expect(await shown(host)).toBe(own);
    const renewed = await give(host);
    await until(async () => (await shown(host)) === renewed);
  });

  it('HTTP/1.1 and HTTP/2 are served, and targets are told https', async () => {
    await give('*.gate.example.net');
    await until(() => shown(host));
    const options = {
      host: '127.0.0.1',
      port,
      servername: host,
      rejectUnauthorized: false,
      path: '/1',
      headers: { host },
    };
    const [answer] = (await once(https.get({ ...options, agent: false }), 'response')) as [NodeJS.ReadableStream];
    let text = '';
    for await (const part of answer) text += part;
    expect(text).toBe('secure /1');
    expect(target.lastField('x-forwarded-proto')).toEqual(['https']);
    expect(target.lastField('x-forwarded-for')).toEqual(['127.0.0.1']);
    const session = http2.connect(`https://${host}:${port}`, {
      rejectUnauthorized: false,
      createConnection: () =>
        connect({ host: '127.0.0.1', port, servername: host, rejectUnauthorized: false, ALPNProtocols: ['h2'] }),
    });
    const stream = session.request({ ':path': '/2', ':authority': host });
    let second = '';
    for await (const part of stream.setEncoding('utf8')) second += part as string;
    expect(second).toBe('secure /2');
    session.close();
  });

  it('a resource with ssl sends there who came without, where its name can be served', async () => {
    const { resourceId, host: name } = await edge.resource({ ssl: true });
    await edge.target(resourceId, siteId, target.port);
    await give(name);
    await until(() => shown(name));
    await until(async () => (await edge.get(name, '/a?b=c')).status === 308);
    expect((await edge.get(name, '/a?b=c')).headers.location).toMatch(new RegExp(`^https://${name}(:\\d+)?/a\\?b=c$`));
    const { resourceId: other, host: plain } = await edge.resource({ ssl: true });
    rmSync(join(folder, '*.gate.example.net.crt'), { force: true });
    await until(async () => (await shown(plain)) === undefined);
    await edge.target(other, siteId, target.port);
    await edge.serves(plain);
  });
});
