import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Api, newHardwareId, newtToken, provision, register, TestOrg } from '../support/api.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { TestSession } from '../support/session.js';

let server: TestServer;
const sockets: Socket[] = [];

beforeAll(async () => {
  server = await startServer({ env: { UNFINISHED_PER_ADDRESS: '20', UNFINISHED_TOTAL: '50' } });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await server?.stop();
});

it('half-sent requests end at the share of their address and at the total, and a fleet behind that address is served meanwhile', async () => {
  const { hostname, port } = new URL(server.url);
  const half = async (localAddress: string) => {
    const socket = connect({ host: hostname, port: Number(port), localAddress });
    sockets.push(socket);
    socket.on('error', () => undefined).resume();
    await once(socket, 'connect');
    socket.write(
      'POST /api/v1/provision HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"provision_key":',
    );
    return socket;
  };
  const org = await TestOrg.create(Api.root(server));
  const { siteProvisioningKey } = await org.key({ approveNewSites: true });
  const { newtId, secret } = (await register(server.url, { provisioningKey: siteProvisioningKey })).body.data;
  const agent = await TestSession.connect(server.wsUrl, (await newtToken(server.url, newtId, secret)).body.data.token);

  const many = await Promise.all(Array.from({ length: 100 }, () => half('127.0.0.1')));
  const others = await Promise.all(Array.from({ length: 60 }, (_, i) => half(`127.0.0.${2 + (i % 10)}`)));
  const claims = await Promise.all(
    Array.from({ length: 200 }, () =>
      provision(server.url, { provision_key: siteProvisioningKey, hardware_id: newHardwareId() }),
    ),
  );
  expect(new Set(claims.map(({ status }) => status))).toEqual(new Set([201]));

  const left = (all: Socket[]) => all.filter((socket) => !socket.destroyed && !socket.readableEnded).length;
  await until(() => Promise.resolve((left(many) <= 20 && left([...many, ...others]) <= 50) || undefined));
  expect(left([...many, ...others])).toBe(50);
  await agent.settled();
  await agent.close();
});
