// Failpoint "act-on-site": the server dies by SIGKILL at the n-th act of a job on a site, inside its transaction; n is in the file FAILPOINT_FILE.
// Loaded into a test server with --import; production builds have no failpoints. Armed while that file exists.
import 'reflect-metadata';
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { requiredEnv } from '../required-env.mjs';

const armed = requiredEnv('FAILPOINT_FILE');
const { ApprovalsService } = await import(
  new URL('../../../dist/src/approvals/approvals.service.js', import.meta.url).href
);

let calls = 0;
const update = ApprovalsService.prototype.updateIn;
ApprovalsService.prototype.updateIn = async function (...args) {
  await update.apply(this, args);
  if (existsSync(armed) && ++calls === Number(readFileSync(armed, 'utf8'))) {
    unlinkSync(armed);
    process.kill(process.pid, 'SIGKILL');
  }
};
