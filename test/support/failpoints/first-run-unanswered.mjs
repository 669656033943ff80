// Failpoint "first-run-unanswered": the transaction of the first run is committed, and the connection ends before the database's answer.
// Loaded into a test server with --import; production builds have no failpoints.
import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { requiredEnv } from '../required-env.mjs';

const secrets = join(requiredEnv('DATA_DIR'), 'first-run.txt');
const { Db } = await import(new URL('../../../dist/libs/platform/database/db.js', import.meta.url).href);

const tx = Db.prototype.tx;
Db.prototype.tx = async function (...args) {
  const before = existsSync(secrets);
  const result = await tx.apply(this, args);
  if (!before && existsSync(secrets)) throw new Error('Connection terminated unexpectedly');
  return result;
};
