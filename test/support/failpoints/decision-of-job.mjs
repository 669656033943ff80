// Failpoint "decision-of-job": the server dies by SIGKILL at the n-th approval, inside its transaction; n is in the file FAILPOINT_FILE.
// Loaded into a test server with --import; production builds have no failpoints. Armed while that file exists.
import 'reflect-metadata';
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { requiredEnv } from '../required-env.mjs';

const armed = requiredEnv('FAILPOINT_FILE');
const { DecisionsService } = await import(
  new URL('../../../dist/src/approvals/decisions.service.js', import.meta.url).href
);

let calls = 0;
const approve = DecisionsService.prototype.approve;
DecisionsService.prototype.approve = async function (...args) {
  const changed = await approve.apply(this, args);
  if (existsSync(armed) && ++calls === Number(readFileSync(armed, 'utf8'))) {
    unlinkSync(armed);
    process.kill(process.pid, 'SIGKILL');
  }
  return changed;
};
