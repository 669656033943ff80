// The benchmark: every case on one cluster, ratios within one run. Absolute figures hold for one machine at one moment only.
import os from 'node:os';
import { parseArgs } from 'node:util';
import { browser } from './browser.mjs';
import { claims, flat, machine } from './claims.mjs';
import { credentials } from './credentials.mjs';
import { dashboard } from './dashboard.mjs';
import { edge } from './edge/edge.mjs';
import { hostile } from './hostile.mjs';
import { http } from './http.mjs';
import { instances } from './instances.mjs';
import { profiles } from './profiles.mjs';
import { refusals } from './refusals.mjs';
import { resources } from './resources.mjs';
import { sessions } from './sessions.mjs';
import { Table } from './table.mjs';
import { Testbed } from './testbed.mjs';

const CASES = {
  claims,
  flat,
  machine,
  profiles,
  http,
  sessions,
  refusals,
  hostile,
  resources,
  instances,
  credentials,
  edge,
  dashboard,
  browser,
};
const DURABILITY = ['fsync', 'full_page_writes', 'synchronous_commit'];

/** @returns the exit code: 0 when every target was reached. */
export async function run(argv) {
  const { values: given } = parseArgs({
    args: argv,
    options: {
      only: { type: 'string', default: Object.keys(CASES).join(',') },
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      seconds: { type: 'string' },
      pairs: { type: 'string' },
      sites: { type: 'string' },
      sessions: { type: 'string' },
      samples: { type: 'string' },
      instances: { type: 'string' },
      rounds: { type: 'string' },
      parts: { type: 'string' },
    },
  });
  const names = given.only.split(',');
  const unknown = names.filter((name) => !(name in CASES));
  if (unknown.length > 0)
    throw new Error(`No such case: ${unknown.join(', ')}; there are ${Object.keys(CASES).join(', ')}`);
  const { quick } = given;
  const options = {
    runs: Number(given.runs ?? (quick ? 1 : 3)),
    seconds: Number(given.seconds ?? (quick ? 2 : 5)),
    pairs: Number(given.pairs ?? (quick ? 3 : 7)),
    sites: Number(given.sites ?? (quick ? 20_000 : 100_000)),
    sessions: Number(given.sessions ?? (quick ? 1_000 : 5_000)),
    settle: quick ? 3 : 10,
    samples: Number(given.samples ?? (quick ? 500 : 5_000)),
    instances: Number(given.instances ?? 10_000),
    quick,
    rounds: Number(given.rounds ?? (quick ? 1 : 5)),
    parts: given.parts?.split(','),
  };
  const table = new Table();
  const testbed = await Testbed.open();
  const stop = () => void testbed.close().finally(() => process.exit(130));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const [load = NaN] = os.loadavg();
    table.note(
      `PostgreSQL ${await durability(testbed)}. Node ${process.version}, ${os.cpus().length} × ${os.cpus()[0]?.model.trim()}, load average ${load.toFixed(1)} at the start.`,
    );
    for (const name of names) {
      console.error(`${name} …`);
      await CASES[name]({ testbed, table, options });
    }
  } finally {
    await testbed.close();
  }
  console.log(`\n${table}`);
  if (table.missed > 0) console.log(`\n${table.missed} target(s) not reached`);
  return table.missed === 0 ? 0 : 1;
}

/** Durability is not for sale: a benchmark without it measures something else. */
async function durability(testbed) {
  const rows = await testbed.sql(
    testbed.url('postgres'),
    `SELECT name, setting FROM pg_settings WHERE name = ANY($1) OR name = 'server_version' ORDER BY name`,
    [DURABILITY],
  );
  const settings = new Map(rows.map((row) => [row.name, row.setting]));
  for (const name of DURABILITY)
    if (settings.get(name) !== 'on') throw new Error(`${name} is ${settings.get(name)}; the bench runs with it on`);
  return `${settings.get('server_version')}: ${DURABILITY.map((name) => `${name}=${settings.get(name)}`).join(', ')}`;
}
