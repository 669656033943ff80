// Each part killed and started again: until the first request that is answered.
import { median, round, sleep } from '../lib.mjs';

/** Between two: who is back is to have settled. */
const PAUSE_MS = 2_000;

export async function restarts({ world, table, options }) {
  const parts = {
    agent: { child: () => world.agent, start: () => world.startAgent() },
    server: { child: () => world.server.child, start: () => world.startServer() },
  };
  for (const [name, part] of Object.entries(parts)) {
    /** @type {number[]} */
    const found = [];
    for (let run = 0; run < options.rounds; run++) {
      found.push(await firstAfter(world, part));
      await sleep(PAUSE_MS);
    }
    table.row({
      what: `${name} killed and restarted: first 200 after its start`,
      ours: `${round(median(found), 2)} s`,
      value: median(found),
      target: { below: 2 },
      goal: { below: 1 },
      unit: ' s',
    });
  }
}

/** @returns seconds from its start */
async function firstAfter(world, { child, start }) {
  const running = child();
  running.kill('SIGKILL');
  await running.ended;
  const asking = world.load(world.ours, 'first');
  const began = Date.now();
  const started = start();
  const { at } = await asking;
  await started;
  return (at - began) / 1000;
}
