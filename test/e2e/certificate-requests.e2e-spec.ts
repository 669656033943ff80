// What a server says when it asks for a client certificate: docs/credentials.md §4, rule 6.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectTls, openssl, startTlsServer, type TlsServer } from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { startServer, type TestServer } from '../support/server.js';

/** Takes what operators do. */
let plain: TestServer;
let tls: TlsServer;
beforeAll(async () => {
  plain = await startServer();
  // There is an authority whose name might be told.
  const fleet = await TestFleet.create(plain);
  await fleet.root.expect('GET', fleet.org.path('certificate-authorities'));
  tls = await startTlsServer({ databaseUrl: plain.databaseUrl, env: { MTLS_ON_MAIN_PORT: 'true' } });
});
afterAll(async () => {
  await tls?.stop();
  await plain?.stop();
});

const HANDSHAKE_RECORD = 22;
const CERTIFICATE_REQUEST = 13;

/** The handshake messages that a server sends in clear, as TLS 1.2 does until both have the key. */
async function messagesOf(port: number): Promise<{ type: number; body: Buffer }[]> {
  const sent: Buffer[] = [];
  const listener = createServer((client) => {
    const upstream = connect(port, '127.0.0.1').on('data', (data: Buffer) => sent.push(data));
    client.pipe(upstream).pipe(client);
    for (const one of [client, upstream]) one.on('error', () => one.destroy());
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const socket = await connectTls((listener.address() as AddressInfo).port, { maxVersion: 'TLSv1.2' });
  socket.destroy();
  listener.close();
  let records = Buffer.concat(sent);
  const parts: Buffer[] = [];
  for (; records[0] === HANDSHAKE_RECORD; records = records.subarray(5 + records.readUInt16BE(3)))
    parts.push(records.subarray(5, 5 + records.readUInt16BE(3)));
  const messages: { type: number; body: Buffer }[] = [];
  for (let rest = Buffer.concat(parts); rest.length >= 4; rest = rest.subarray(4 + rest.readUIntBE(1, 3)))
    messages.push({ type: rest[0]!, body: rest.subarray(4, 4 + rest.readUIntBE(1, 3)) });
  return messages;
}

describe.each([
  ['the listener', () => tls.devicePort],
  ['the main port', () => tls.server.port],
])('a client certificate is asked for at %s', (_, port) => {
  it('without a list of authorities', async () => {
    const request = (await messagesOf(port())).find(({ type }) => type === CERTIFICATE_REQUEST);
    // Kinds of certificates, algorithms, authorities (RFC 5246 §7.4.4).
    const algorithms = request!.body.subarray(1 + request!.body[0]!);
    const authorities = algorithms.subarray(2 + algorithms.readUInt16BE(0));
    expect(authorities).toEqual(Buffer.from([0, 0]));
  });

  it('so that openssl, where there is one, is shown none', () => {
    const printed = openssl(port(), '/healthz', []);
    if (printed !== undefined) expect(printed).toContain('No client certificate CA names sent');
    if (printed !== undefined) expect(printed).toMatch(/Requested Signature Algorithms/);
  });
});
