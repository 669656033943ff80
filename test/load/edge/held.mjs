// What stands beside: downloads that fill the tunnel, clients that read no further, and tunnels that nobody uses.
import fs from 'node:fs';
import path from 'node:path';
import { median, round, rssKiB, sleep } from '../lib.mjs';
import { seedNewts, seedSites } from '../seed.mjs';
import { freePort } from '../testbed.mjs';
import { told } from './world.mjs';

const DOWNLOADS = 4;
const CLIENTS = 1_000;
/** Of the idle tunnels. */
const PROCESSES = 4;
const WARM = 200;

const residentMiB = (pids) => pids.reduce((sum, pid) => sum + rssKiB(pid), 0) / 1024;
const one = (world, seconds) => world.load(world.ours, 'small', { connections: 1, seconds });

/** A small GET now and then while downloads run flat out through the same agent. */
export async function beside({ world, table, options }) {
  const seconds = Math.min(options.seconds, 3);
  /** @type {number[]} */
  const found = [];
  for (let run = 0; run < options.rounds; run++) {
    const pulling = await world.loading(world.ours, 'pull', { streams: DOWNLOADS });
    await sleep(1_000);
    found.push((await world.load(world.ours, 'small', { connections: 1, seconds, pauseMs: 2 })).p99);
    pulling.kill('SIGKILL');
    await pulling.ended;
  }
  table.row({
    what: `small GET beside ${DOWNLOADS} downloads flat out through one agent: p99`,
    ours: `${round(median(found), 1)} ms`,
    value: median(found),
    target: { below: 40 },
    goal: { below: 20 },
    unit: ' ms',
  });
}

/** Clients that ask for 100 MB, read 64 KB and stop. */
export async function stopped({ world, table }) {
  await one(world, 1);
  const before = residentMiB(world.pids);
  const holding = await world.loading(world.ours, 'stop', { clients: CLIENTS });
  const grown = residentMiB(world.pids) - before;
  const { max } = await one(world, 1);
  holding.kill('SIGKILL');
  await holding.ended;
  const n = CLIENTS.toLocaleString('en');
  table.row({
    what: `${n} clients that read 64 KB of 100 MB and stop: growth of edge and agent`,
    ours: `${round(grown, 0)} MB, from ${round(before, 0)} MB`,
    value: grown,
    target: { below: 300 },
    goal: { below: 120 },
    unit: ' MB',
  });
  table.row({
    what: 'meanwhile: the slowest small GET of a second',
    ours: `${round(max, 1)} ms`,
    value: max,
    target: { below: 1_000 },
    goal: { below: 100 },
    unit: ' ms',
  });
}

/** One tunnel each of many sites in one server, opened by the agent's own code. */
export async function idle({ testbed, table, options }) {
  const { sessions: count, settle } = options;
  const report = path.join(testbed.folder, 'gc-tunnels.json');
  const server = await testbed.server(await testbed.database(), {
    gcReport: report,
    env: { EDGE_PORT: String(await freePort()) },
  });
  const org = await server.organization('tunnels');
  await seedSites(server, org, Math.ceil((count + WARM) * 1.2));
  const newts = await seedNewts(server, org.orgId, count + WARM);
  const open = async (some) => {
    const file = path.join(testbed.folder, `tunnels-${some[0].newtId}.json`);
    fs.writeFileSync(file, JSON.stringify(some));
    const child = testbed.node(new URL('tunnels.mjs', import.meta.url).pathname, [server.url, file]);
    await told(child);
    return child;
  };
  // What the first ones cost, every later one has for nothing.
  const children = [await open(newts.slice(0, WARM))];
  const before = await settled(server, report, settle);
  const each = Math.ceil(count / PROCESSES);
  for (let from = WARM; from < newts.length; from += each) children.push(await open(newts.slice(from, from + each)));
  const after = await settled(server, report, settle);
  const kib = (after - before) / count;
  table.row({
    what: `${count.toLocaleString('en')} idle tunnels in one server process: resident each`,
    ours: `${round(kib, 1)} KB`,
    value: kib,
    target: { below: 60 },
    goal: { below: 27 },
    unit: ' KB',
  });
  for (const child of children) child.kill('SIGKILL');
  await server.stop();
}

/** Resident size once a collection is over. */
async function settled(server, report, seconds) {
  await sleep(seconds * 1000);
  fs.rmSync(report, { force: true });
  process.kill(server.pid, 'SIGUSR2');
  while (!fs.existsSync(report)) await sleep(50);
  await sleep(500);
  return rssKiB(server.pid);
}
