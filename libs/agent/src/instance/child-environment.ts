import { SETTINGS } from '../config/settings.js';

/** What leads to a secret of the agent, beside the secrets themselves. */
const WAYS: readonly string[] = ['provisioningKeyFile', 'stateKeyFile'];
const SECRETS = new Set(
  SETTINGS.flatMap(({ key, env, secret }) => (env && (secret || WAYS.includes(key)) ? [env] : [])),
);

/** The agent's environment as a program may inherit it: without its secrets, and without whatever is the agent's own by name. */
export function inherited(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !SECRETS.has(name) && !name.startsWith('GATEHOUSE_')),
  );
}
