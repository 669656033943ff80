// Failpoint "committed": the server dies by SIGKILL after a transaction was committed and before anything else happens.
// Loaded into a test server with --import; production builds have no failpoints. Armed while the file in FAILPOINT_FILE exists.
import 'reflect-metadata';
import { existsSync, unlinkSync } from 'node:fs';
import { requiredEnv } from '../required-env.mjs';

const armed = requiredEnv('FAILPOINT_FILE');
const { Db } = await import(new URL('../../../dist/libs/platform/database/db.js', import.meta.url).href);

const tx = Db.prototype.tx;
Db.prototype.tx = async function (...args) {
  const result = await tx.apply(this, args);
  if (existsSync(armed)) {
    unlinkSync(armed);
    process.kill(process.pid, 'SIGKILL');
  }
  return result;
};
