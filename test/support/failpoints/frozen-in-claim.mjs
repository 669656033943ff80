// Failpoint "frozen-in-claim": the server stops itself (SIGSTOP) inside the transaction of a claim, with the key's row locked, as a paused
// virtual machine or a debugger would. Loaded into a test server with --import; armed while the file in FAILPOINT_FILE exists.
// With FAILPOINT_UNBOUNDED PostgreSQL does not end that transaction by itself.
import 'reflect-metadata';
import { existsSync, unlinkSync } from 'node:fs';
import { requiredEnv } from '../required-env.mjs';

const armed = requiredEnv('FAILPOINT_FILE');
const { ClaimsRepository } = await import(
  new URL('../../../dist/src/provisioning/claims/claims.repository.js', import.meta.url).href
);

const { lockPolicy } = ClaimsRepository.prototype;
ClaimsRepository.prototype.lockPolicy = async function (tx, ...args) {
  const policy = await lockPolicy.call(this, tx, ...args);
  if (existsSync(armed)) {
    if (process.env.FAILPOINT_UNBOUNDED) await tx.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    unlinkSync(armed);
    process.kill(process.pid, 'SIGSTOP');
  }
  return policy;
};
