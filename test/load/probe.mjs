// A plain GET every 20 ms until told to stop: what the rest of the world notices while a fleet comes back.
import { parentPort, workerData } from 'node:worker_threads';
import { HttpConnection } from './http-client.mjs';
import { sleep } from './lib.mjs';

if (!parentPort) throw new Error('probe.mjs runs as a worker thread');
const url = new URL(workerData);
const connection = new HttpConnection(url.origin);
const lat = [];
let bad = 0;
let on = true;
parentPort.once('message', () => (on = false));
while (on) {
  const t = performance.now();
  const answer = await connection.request('GET', url.pathname, {}).catch(() => undefined);
  if (answer?.status === 200) lat.push(performance.now() - t);
  else bad++;
  await sleep(20);
}
connection.close();
parentPort.postMessage({ lat, bad });
