// What the scenarios ask of server processes.
import { sleep } from '../load/lib.mjs';

/** A small pool: callers then wait for connections, and take them the moment that others give them back. */
const ENV = { DATABASE_POOL_SIZE: '10', REFUSALS_PER_MINUTE: '1000000' };

/** Two servers on one new database. */
export async function twoServers(testbed) {
  const first = await testbed.server(await testbed.database(), { env: ENV });
  return [first, await testbed.server(first.databaseUrl, { env: ENV })];
}

export const anotherServer = (testbed, databaseUrl, options = {}) =>
  testbed.server(databaseUrl, { ...options, env: { ...ENV, ...options.env } });

/** @throws with its output when one of them has ended. */
export function assertAlive(servers) {
  for (const { child } of servers) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`a server ended with ${child.exitCode ?? child.signalCode}:\n${child.output.slice(-4000)}`);
  }
}

/** Waits until all of them say that they are ready. */
export async function ready(servers) {
  for (const { url } of servers) {
    for (;;) {
      const answer = await fetch(`${url}/readyz`).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.ok) break;
      assertAlive(servers);
      await sleep(50);
    }
  }
}
