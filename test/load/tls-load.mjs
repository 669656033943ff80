#!/usr/bin/env node
// TLS handshakes, or requests on kept connections, of machines that prove a pre-shared key or a certificate.
//
//   node tls-load.mjs --port 8443 --mode handshakes|requests --by psk|certificate|key --data devices.jsonl --seconds 5 --concurrency 16 [--pid PID]
//
// A row of data holds identity and psk, cert and key, or api_key. A handshake counts once the server has closed its side too: before that it may not have
// checked what the client proved.
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { HttpConnection } from './http-client.mjs';
import { cpuSeconds, inTurn, readJsonl } from './lib.mjs';
import { tlsConnection } from './tls-connection.mjs';

const { values: a } = parseArgs({
  options: {
    port: { type: 'string', default: '' },
    mode: { type: 'string', default: 'handshakes' },
    by: { type: 'string', default: 'certificate' },
    data: { type: 'string', default: '' },
    seconds: { type: 'string', default: '5' },
    concurrency: { type: 'string', default: '16' },
    pid: { type: 'string' },
  },
});
/** @type {import('./tls-connection.mjs').Device[]} */
const devices = readJsonl(a.data);
const connect = (device) => tlsConnection(Number(a.port), device);

/** @returns {Record<string, string>} */
const headers = (device) => (a.by === 'key' ? { authorization: `Bearer ${device.api_key}` } : {});
const seconds = Number(a.seconds);
let stopped = false;
let done = 0;

/** Callers that each shake hands again and again. */
async function shake(caller) {
  for (let i = caller; !stopped; i++) {
    const socket = connect(inTurn(devices, i));
    const closed = once(socket, 'close');
    await once(socket, 'secureConnect');
    if (a.by === 'psk' && !socket.isSessionReused()) throw new Error('The server took no pre-shared key');
    socket.resume().end();
    await closed;
    done++;
  }
}

/** Callers with a connection each, which ask again and again. */
async function ask(caller) {
  const device = inTurn(devices, caller);
  const connection = new HttpConnection(`https://127.0.0.1:${a.port}`, () => connect(device));
  while (!stopped) {
    const { status, body } = await connection.request('GET', '/api/v1/device/self', headers(device));
    if (status !== 200) throw new Error(`GET /device/self by ${a.by}: ${status} ${body}`);
    done++;
  }
  connection.close();
}

const call = a.mode === 'handshakes' ? shake : ask;
const callers = Promise.all(Array.from({ length: Number(a.concurrency) }, (_, caller) => call(caller)));
// What the first ones meet is no part of it.
await Promise.race([callers, new Promise((go) => setTimeout(go, 500))]);
const [before, began] = [done, performance.now()];
const cpuBefore = a.pid ? cpuSeconds(a.pid) : 0;
await Promise.race([callers, new Promise((go) => setTimeout(go, seconds * 1000))]);
const [count, took] = [done - before, (performance.now() - began) / 1000];
const cpu = a.pid ? cpuSeconds(a.pid) - cpuBefore : 0;
stopped = true;
await callers;
console.log(JSON.stringify({ per_s: count / took, server_ms: (1000 * cpu) / count }));
process.exit();
