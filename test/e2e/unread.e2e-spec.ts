import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort, startServer, type TestServer, until } from '../support/server.js';

let server: TestServer;
let metricsPort: number;
beforeAll(async () => {
  metricsPort = await freePort();
  server = await startServer({ env: { UNREAD_SECONDS: '2', METRICS_PORT: String(metricsPort) } });
});
afterAll(() => server?.stop());

it('a client that asks and does not read is given up, while others are answered', async () => {
  const { hostname, port } = new URL(server.url);
  const socket = connect({ host: hostname, port: Number(port) }).pause();
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  // Together more than the kernel keeps for both sides.
  socket.write('GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(60));
  const closed = async () => {
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    return text.includes('gatehouse_unread_closed_total{bound="time"} 1');
  };
  await until(closed);
  socket.resume();
  await until(() => socket.destroyed);
  const whole = await fetch(`${server.url}/api/openapi.json`);
  const bytes = (await whole.text()).length;
  expect(whole.status).toBe(200);
  expect(socket.bytesRead).toBeLessThan(60 * bytes);
});
