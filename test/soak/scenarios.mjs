// What `npm run soak` repeats; the suite runs a short form of each (test/e2e/soak.e2e-spec.ts).
import { Testbed } from '../load/testbed.mjs';
import { crash } from './crash.mjs';
import { credentials } from './credentials.mjs';
import { freeze } from './freeze.mjs';
import { hops } from './hops.mjs';
import { instances } from './instances.mjs';
import { operators } from './operators.mjs';
import { restarts } from './restarts.mjs';
import { terminate } from './terminate.mjs';

export const scenarios = { restarts, terminate, crash, freeze, hops, instances, operators, credentials };

/** Runs one scenario in a testbed of its own. @returns its figures. @throws what went wrong. */
export async function runScenario(name, times = scenarios[name].times) {
  const testbed = await Testbed.open();
  try {
    return await scenarios[name].run(testbed, times);
  } finally {
    await testbed.close();
  }
}
