// Failpoint "decision-of-job": the server dies by SIGKILL at the n-th approval, inside its transaction; n is in the file FAILPOINT_FILE.
// Loaded into a test server with --import; production builds have no failpoints. Armed while that file exists.
import 'reflect-metadata';
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { DecisionsService } from '../../../dist/src/approvals/decisions.service.js';

let calls = 0;
const approve = DecisionsService.prototype.approve;
DecisionsService.prototype.approve = async function (...args) {
  const changed = await approve.apply(this, args);
  if (existsSync(process.env.FAILPOINT_FILE) && ++calls === Number(readFileSync(process.env.FAILPOINT_FILE, 'utf8'))) {
    unlinkSync(process.env.FAILPOINT_FILE);
    process.kill(process.pid, 'SIGKILL');
  }
  return changed;
};
