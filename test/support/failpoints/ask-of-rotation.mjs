// Failpoint "ask-of-rotation": the server dies by SIGKILL at the n-th step that asks sites to take another credential, inside its transaction; n is in the
// file FAILPOINT_FILE. Loaded into a test server with --import; production builds have no failpoints. Armed while that file exists.
import 'reflect-metadata';
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { requiredEnv } from '../required-env.mjs';

const armed = requiredEnv('FAILPOINT_FILE');
const { CredentialSuccession } = await import(
  new URL('../../../dist/src/access/site-credentials/credential-succession.service.js', import.meta.url).href
);

let calls = 0;
const ask = CredentialSuccession.prototype.requestRotations;
CredentialSuccession.prototype.requestRotations = async function (...args) {
  const asked = await ask.apply(this, args);
  if (existsSync(armed) && ++calls === Number(readFileSync(armed, 'utf8'))) {
    unlinkSync(armed);
    process.kill(process.pid, 'SIGKILL');
  }
  return asked;
};
