// What PostgreSQL alone does. The five-statement claim on one key row (pg/claim-1row.sql): by pgbench where it is found and always by a
// worker thread on `pg` with named prepared statements and explicit BEGIN/COMMIT. A resource and a target: by the worker thread.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import pg from 'pg';

const here = import.meta.dirname;

/** Transactions per second by a worker thread. The database is made anew. */
export async function measureWorker(testbed, url, { clients, seconds }) {
  await prepare(testbed, url);
  return run({ turn: 'claim', url, clients, seconds });
}

/** The same by pgbench. */
export async function measurePgbench(testbed, url, pgbench, environment, { clients, seconds }) {
  await prepare(testbed, url);
  const args = [
    '-n',
    '-M',
    'prepared',
    '-f',
    path.join(here, 'pg/claim-1row.sql'),
    '-c',
    String(clients),
    '-j',
    '2',
    '-T',
    String(seconds),
  ];
  const child = spawn(pgbench, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  await once(child, 'close');
  const tps = Number(/^tps = ([0-9.]+)/m.exec(output)?.[1]);
  if (!(tps > 0)) throw new Error(`pgbench measured nothing:\n${output}`);
  return tps;
}

async function prepare(testbed, url) {
  await testbed.sql(url, fs.readFileSync(path.join(here, 'pg/schema.sql'), 'utf8').replace(/vacuum analyze;/, ''));
  await testbed.sql(url, 'VACUUM ANALYZE');
  await testbed.sql(url, 'CHECKPOINT');
}

/** Turns per second of `pg/resource-and-target.sql` by a worker thread, on the server's own database and schema. */
export async function measureResources(url, { orgId, siteIds, domainId, clients, seconds }) {
  return run({ turn: 'resourceAndTarget', url, clients, seconds, orgId, siteIds, domainId });
}

async function run(workerData) {
  const worker = new Worker(new URL(import.meta.url), { workerData });
  const [result] = await once(worker, 'message');
  await worker.terminate();
  return result;
}

/** Statements of a script as pgbench reads it: `\gset` ends one too. */
const statementsOf = (file) =>
  fs
    .readFileSync(path.join(here, 'pg', file), 'utf8')
    .replace(/--.*\n/g, '')
    .split(/(?:;| \\gset)\s*\n/)
    .map((text) => text.trim())
    .filter(Boolean);

/** What one client does again and again: named prepared statements, explicit BEGIN and COMMIT. */
const TURNS = {
  claim() {
    const [begin, update, site, credential, commit] = statementsOf('claim-1row.sql');
    if (!credential) throw new Error('pg/claim-1row.sql is not of five statements');
    const takeId = credential.replace(':id', '$1');
    return async (client) => {
      await client.query({ name: 'begin', text: begin });
      await client.query({ name: 'update', text: update });
      const { rows } = await client.query({ name: 'site', text: site });
      await client.query({ name: 'credential', text: takeId, values: [rows[0].id] });
      await client.query({ name: 'commit', text: commit });
    };
  },
  resourceAndTarget({ orgId, siteIds, domainId }) {
    const statements = statementsOf('resource-and-target.sql');
    let n = 0;
    return async (client) => {
      let made;
      const name = `alone${n++}${Math.random().toString(36).slice(2)}`;
      const known = {
        org: orgId,
        site: siteIds[n % siteIds.length],
        domain: domainId,
        name,
        port: 40_000 + Math.floor(Math.random() * 25_000),
      };
      for (const [i, statement] of statements.entries()) {
        const values = [];
        const text = statement.replace(
          /(?<!:):([a-z]+)/g,
          (_, word) => `$${values.push(word === 'id' ? made : known[word])}`,
        );
        const { rows } = await client.query({ name: `s${i}`, text, values });
        made = rows[0]?.resource_id ?? made;
      }
    };
  },
};

/** @param {import('node:worker_threads').MessagePort} port told the turns per second at the end. */
async function work(port) {
  const { url, clients, seconds } = workerData;
  const turn = TURNS[workerData.turn](workerData);
  const connections = await Promise.all(
    Array.from({ length: clients }, async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      return client;
    }),
  );
  let done = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  await Promise.all(
    connections.map(async (client) => {
      while (performance.now() < end) {
        await turn(client);
        done++;
      }
    }),
  );
  const rate = done / ((performance.now() - start) / 1000);
  await Promise.all(connections.map((client) => client.end()));
  port.postMessage(rate);
}

if (parentPort) await work(parentPort);
