// Failpoint "claim-committed": the server dies by SIGKILL after a claim was committed and before it is answered.
// Loaded into a test server with --import; production builds have no failpoints. Armed while the file in FAILPOINT_FILE exists.
import 'reflect-metadata';
import { existsSync, unlinkSync } from 'node:fs';
import { requiredEnv } from '../required-env.mjs';

const armed = requiredEnv('FAILPOINT_FILE');
const { ClaimsService } = await import(
  new URL('../../../dist/src/provisioning/claims/claims.service.js', import.meta.url).href
);

const finish = ClaimsService.prototype.finish;
ClaimsService.prototype.finish = function (...args) {
  if (existsSync(armed)) {
    unlinkSync(armed);
    process.kill(process.pid, 'SIGKILL');
  }
  return finish.apply(this, args);
};
