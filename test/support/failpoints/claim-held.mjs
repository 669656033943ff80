// Failpoint "claim-held": between a claim's commit and whatever follows it the server waits, as long as the file in FAILPOINT_FILE exists.
// Loaded into a test server with --import; production builds have no failpoints.
import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { requiredEnv } from '../required-env.mjs';

const held = requiredEnv('FAILPOINT_FILE');
const { ClaimsService } = await import(
  new URL('../../../dist/src/provisioning/claims/claims.service.js', import.meta.url).href
);

const finish = ClaimsService.prototype.finish;
ClaimsService.prototype.finish = async function (...args) {
  while (existsSync(held)) await delay(10);
  return finish.apply(this, args);
};
