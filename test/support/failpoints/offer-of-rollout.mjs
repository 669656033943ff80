// Failpoint "offer-of-rollout": the server dies by SIGKILL at the n-th step that offers sites a new bundle, inside its transaction; n is in the
// file FAILPOINT_FILE. Loaded into a test server with --import; production builds have no failpoints. Armed while that file exists.
import 'reflect-metadata';
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { requiredEnv } from '../required-env.mjs';

const armed = requiredEnv('FAILPOINT_FILE');
const { BundlesService } = await import(
  new URL('../../../dist/src/instances/bundles/bundles.service.js', import.meta.url).href
);

let calls = 0;
const offer = BundlesService.prototype.offer;
BundlesService.prototype.offer = async function (...args) {
  const changed = await offer.apply(this, args);
  if (existsSync(armed) && ++calls === Number(readFileSync(armed, 'utf8'))) {
    unlinkSync(armed);
    process.kill(process.pid, 'SIGKILL');
  }
  return changed;
};
