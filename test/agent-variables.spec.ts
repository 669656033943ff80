import { expect, it } from 'vitest';
import { SETTINGS } from '../libs/agent/src/config/settings.js';
import { AGENT_VARIABLES } from '../libs/platform/config/variables.mjs';

it('the server takes no variable of the agent for a mistake', () => {
  const ofTheAgent = SETTINGS.flatMap(({ env }) => (env?.startsWith('GATEHOUSE_') ? [env] : []));
  expect([...AGENT_VARIABLES].sort()).toEqual(ofTheAgent.sort());
});
