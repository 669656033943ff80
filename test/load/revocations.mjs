// How long a connection stays open once its site is revoked: kept connections that TLS proves, and sessions, at the server that takes the revocation and at
// another one of the same database.
import { once } from 'node:events';
import WebSocket from 'ws';
import { HttpConnection } from './http-client.mjs';
import { median, round, sleep } from './lib.mjs';
import { freePort } from './testbed.mjs';
import { tlsConnection } from './tls-connection.mjs';
import { certificateFiles, claimDevices } from './tls-devices.mjs';

const SAMPLES = 20;

/** @typedef {import('./tls-connection.mjs').Device} Device */
/** @typedef {{ siteId: number, closed: Promise<unknown> }} Opened */

/** @type {[string, 'psk' | 'certificate', (port: number, device: Device) => Promise<Opened>][]} */
const KINDS = [
  ['connection with a pre-shared key', 'psk', keep],
  ['connection with a client certificate', 'certificate', keep],
  ['session by a client certificate', 'certificate', begin],
];

export async function revocations({ testbed, table }) {
  const databaseUrl = await testbed.database();
  const files = await certificateFiles(testbed.folder);
  const start = async () => {
    const env = { ...files, DEVICE_TLS_PORT: String(await freePort()) };
    return { port: Number(env.DEVICE_TLS_PORT), server: await testbed.server(databaseUrl, { env, tls: true }) };
  };
  const [here, other] = [await start(), await start()];
  const { orgId } = await here.server.organization('revoked');
  for (const [what, kind, open] of KINDS) {
    for (const [where, { port }] of /** @type {const} */ ([
      ['here', here],
      ['on another server', other],
    ])) {
      const devices = await claimDevices(here.server, orgId, kind, SAMPLES, `${what} ${where}`);
      /** @type {number[]} */
      const took = [];
      for (const device of devices) {
        const { siteId, closed } = await open(port, device);
        const began = performance.now();
        await Promise.all([closed, here.server.api('POST', `/site/${siteId}/revoke`, {})]);
        took.push(performance.now() - began);
      }
      const worst = Math.max(...took);
      table.row({
        what: `revoked: ${what} closed ${where}`,
        ours: `${round(median(took), 0)} ms, worst of ${SAMPLES} ${round(worst, 0)} ms`,
        value: worst / 1000,
        target: { below: 1 },
        unit: ' s',
      });
    }
  }
  await Promise.all([here.server.stop(), other.server.stop()]);
}

/** A connection that stays open after a request. @returns {Promise<Opened>} */
async function keep(port, device) {
  for (;;) {
    const socket = tlsConnection(port, device);
    const connection = new HttpConnection(`https://127.0.0.1:${port}`, () => socket);
    const answer = await connection.request('GET', '/api/v1/device/self', {}).catch(() => undefined);
    if (answer?.status === 200) return { siteId: JSON.parse(answer.body).site_id, closed: once(socket, 'close') };
    // A key that was claimed a moment ago may not be known at another server yet.
    socket.destroy();
    await sleep(20);
  }
}

/** @returns {Promise<Opened>} */
async function begin(port, device) {
  const { siteId } = await keep(port, device);
  const socket = new WebSocket(`wss://127.0.0.1:${port}/api/v1/ws?clientType=newt`, {
    createConnection: () => tlsConnection(port, device),
  });
  await once(socket, 'open');
  return { siteId, closed: once(socket, 'close') };
}
