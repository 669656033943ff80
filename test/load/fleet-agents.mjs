// Agents of a fleet whose credentials are rotated: each keeps a session, takes the next credential, proves it by get-token, and begins a session anew.
// A process of its own:  node fleet-agents.mjs --url http://127.0.0.1:3000 --data newts.jsonl ; says "ready", then at "report" what came about.
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import WebSocket from 'ws';
import { HttpConnection } from './http-client.mjs';
import { quantiles, readJsonl, round } from './lib.mjs';

const { values: a } = parseArgs({
  options: { url: { type: 'string', default: '' }, data: { type: 'string', default: '' } },
});
const CONNECTIONS = 64;
const AT_ONCE = 128;
const HELLO = JSON.stringify({
  type: 'agent/hello',
  data: { protocol: 1, version: '0.1.0', capabilities: ['credentials'], facts: { hostname: 'bench' } },
});
/** Closes of a session whose agent began another one. */
const EXPECTED = new Set([1000, 4001]);

const idle = Array.from({ length: CONNECTIONS }, () => new HttpConnection(a.url));
/** @type {((connection: HttpConnection) => void)[]} */
const waiting = [];
const found = { rotated: 0, failed: 0, lost: 0, firstFailure: '' };
/** Milliseconds without a session, of each agent that began another one. */
const gaps = [];
const failed = (error) => {
  found.failed++;
  found.firstFailure ||= String(error?.message ?? error);
};

async function getToken({ newtId, secret }) {
  /** @type {HttpConnection} */
  const connection = idle.pop() ?? (await new Promise((resolve) => waiting.push(resolve)));
  try {
    const { status, body } = await connection.request(
      'POST',
      '/api/v1/auth/newt/get-token',
      { 'content-type': 'application/json' },
      JSON.stringify({ newtId, secret }),
    );
    if (status !== 200) throw new Error(`get-token: ${status} ${body}`);
    return JSON.parse(body).data.token;
  } finally {
    const next = waiting.shift();
    if (next) next(connection);
    else idle.push(connection);
  }
}

/** A session that has been greeted; it takes next credentials from then on. */
async function begin(credential) {
  const token = await getToken(credential);
  const socket = new WebSocket(`${a.url.replace('http', 'ws')}/api/v1/ws?clientType=newt&token=${token}`, {
    perMessageDeflate: false,
  });
  socket.once('open', () => socket.send(HELLO));
  await new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (frame) => {
      const { type, data } = JSON.parse(String(frame));
      if (type === 'agent/welcome') resolve(undefined);
      else if (type === 'agent/credential') void rotate(socket, data.credential).catch(failed);
    });
    socket.on('close', (code) => {
      if (!EXPECTED.has(code)) found.lost++;
      reject(new Error(`closed with ${code}`));
    });
  });
  return socket;
}

async function rotate(before, { newt_id, secret }) {
  const credential = { newtId: newt_id, secret };
  await getToken(credential);
  const began = performance.now();
  before.close(1000);
  await begin(credential);
  gaps.push(performance.now() - began);
  found.rotated++;
}

const rows = readJsonl(a.data);
let next = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < rows.length) await begin(rows[next++]);
  }),
);
process.send?.('ready');
await once(process, 'message');
const { p50, max } = quantiles(gaps);
process.send?.({ ...found, gapP50: round(p50), gapMax: round(max) }, () => process.exit());
