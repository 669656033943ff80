// The edge: what a public resource costs beside nginx, two plain TCP proxies in a row and no proxy at all, in turns within one run.
import { beside, idle, stopped } from './held.mjs';
import { restarts } from './restarts.mjs';
import { logins, small, tls } from './small.mjs';
import { bulk, far, websocket } from './streams.mjs';
import { EdgeWorld } from './world.mjs';

/** In this order: what leaves the edge or the agent changed comes last. */
const PARTS = { small, websocket, bulk, far, logins, tls, beside, stopped, idle, restarts };

export async function edge({ testbed, table, options }) {
  const names = options.parts ?? Object.keys(PARTS);
  const unknown = names.filter((name) => !(name in PARTS));
  if (unknown.length > 0)
    throw new Error(`No such part: ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  const world = await EdgeWorld.open(testbed);
  for (const name of names) {
    console.error(`  ${name} …`);
    await PARTS[name]({ world, testbed, table, options });
  }
  await world.close();
}
