import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { type ConnectionOptions, connect, createServer, type Server } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { selfSigned } from '../../../test/support/certificate.js';
import type { Config } from '../config/config.js';
import { HandshakeCosts } from './handshake-costs.js';

let pair: { cert: string; key: string };
/** As much as one handshake may bring. */
let long: ConnectionOptions;
let server: Server;
let costs: HandshakeCosts;
let taken: Socket | undefined;

beforeAll(async () => {
  pair = await selfSigned('0a');
  const size = pair.cert.length * 0.74;
  long = { key: pair.key, cert: `${pair.cert}\n`.repeat(Math.floor(80_000 / size)) };
});
async function serve(trustProxy: string[] = []): Promise<void> {
  costs = new HandshakeCosts({ http: { trustProxy } } as unknown as Config);
  server = createServer({ ...pair, requestCert: true, rejectUnauthorized: false, ca: [] }, (socket) => {
    socket.on('error', () => undefined).end('in');
  });
  server.on('connection', (socket) => (taken = socket));
  costs.follow(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
}
afterEach(() => void server.close());

/** @returns whether the server ended it well, rather than closed it */
async function handshake(options: ConnectionOptions = {}): Promise<boolean> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  socket.on('error', () => undefined);
  let secured = false;
  socket.on('data', () => (secured = true));
  await new Promise((closed) => socket.once('close', closed));
  return secured;
}

describe('handshakes of strangers', () => {
  it('may bring 256 KB of certificates a minute; then their connections are closed', async () => {
    await serve();
    for (let i = 0; i < 4; i++) expect(await handshake(long)).toBe(true);
    expect(taken!.bytesRead).toBeGreaterThan(64 * 1024);
    expect(await handshake()).toBe(false);
    expect(taken!.bytesRead).toBe(0);
  });

  it('without a certificate cost nothing', async () => {
    await serve();
    for (let i = 0; i < 200; i++) expect(await handshake()).toBe(true);
  });

  it('are no longer those of strangers once a credential was let in', async () => {
    await serve();
    for (let i = 0; i < 4; i++) await handshake(long);
    costs.admitted(taken!);
    for (let i = 0; i < 5; i++) expect(await handshake(long)).toBe(true);
  });

  it('through a trusted proxy are not told apart', async () => {
    await serve(['127.0.0.1']);
    for (let i = 0; i < 5; i++) expect(await handshake(long)).toBe(true);
  });
});
