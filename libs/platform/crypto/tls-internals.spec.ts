import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { selfSigned } from '../../../test/support/certificate.js';
import { askByName, socketBelow } from './tls-internals.js';

let pair: { cert: string; key: string };

beforeAll(async () => {
  pair = await selfSigned('0a');
});

/** Whether a server that asks `device.example` gets the certificate of a client. */
async function getsCertificate(options: ConnectionOptions): Promise<boolean> {
  const asking = createServer({ ...pair, SNICallback: askByName('device.example') });
  await once(asking.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(asking, 'secureConnection') as Promise<[TLSSocket]>;
  const { port } = asking.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...pair, ...options });
  const [socket] = await accepted;
  const got = socket.getPeerX509Certificate() !== undefined;
  client.destroy();
  asking.close();
  return got;
}

describe('asking for certificates by name', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('asks who names the host, and nobody else, in %s', async (version) => {
    const only = { minVersion: version, maxVersion: version };
    expect(await getsCertificate({ ...only, servername: 'Device.example' })).toBe(true);
    expect(await getsCertificate({ ...only, servername: 'www.example' })).toBe(false);
    expect(await getsCertificate(only)).toBe(false);
  });
});

it('a connection tells the socket below it', async () => {
  const server = createServer(pair);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const [taken, secured] = [once(server, 'connection'), once(server, 'secureConnection')];
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  const [[below], [socket]] = (await Promise.all([taken, secured])) as [[Socket], [TLSSocket]];
  client.destroy();
  server.close();
  expect(socketBelow(socket)).toBe(below);
});
