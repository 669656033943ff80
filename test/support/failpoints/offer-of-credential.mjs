// Failpoint "offer-of-credential": SIGKILL when the next credential of a site is stored and about to leave over its session, once the file
// FAILPOINT_FILE is there; the file is removed. Loaded into a test server with --import; production builds have no failpoints.
import { unlinkSync } from 'node:fs';
import { WebSocket } from 'ws';
import { requiredEnv } from '../required-env.mjs';

const file = requiredEnv('FAILPOINT_FILE');
const { send } = WebSocket.prototype;
WebSocket.prototype.send = function (/** @type {any} */ data, /** @type {any[]} */ ...rest) {
  if (String(data).includes('"agent/credential"')) {
    try {
      unlinkSync(file);
      process.kill(process.pid, 'SIGKILL');
    } catch {
      // Not armed.
    }
  }
  return /** @type {any} */ (send).call(this, data, ...rest);
};
