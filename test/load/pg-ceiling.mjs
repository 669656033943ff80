// What PostgreSQL alone does: the five-statement claim on one key row (pg/claim-1row.sql), by pgbench where it is found and always by a
// worker thread on `pg` with named prepared statements and explicit BEGIN/COMMIT.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import pg from 'pg';

const here = import.meta.dirname;

/** Transactions per second by a worker thread. The database is made anew. */
export async function measureWorker(house, url, { clients, seconds }) {
  await prepare(house, url);
  const worker = new Worker(new URL(import.meta.url), { workerData: { url, clients, seconds } });
  const [result] = await once(worker, 'message');
  await worker.terminate();
  return result;
}

/** The same by pgbench. */
export async function measurePgbench(house, url, pgbench, environment, { clients, seconds }) {
  await prepare(house, url);
  const args = ['-n', '-M', 'prepared', '-f', path.join(here, 'pg/claim-1row.sql'), '-c', String(clients), '-j', '2', '-T', String(seconds)];
  const child = spawn(pgbench, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  await once(child, 'close');
  const tps = Number(/^tps = ([0-9.]+)/m.exec(output)?.[1]);
  if (!(tps > 0)) throw new Error(`pgbench measured nothing:\n${output}`);
  return tps;
}

async function prepare(house, url) {
  await house.sql(url, fs.readFileSync(path.join(here, 'pg/schema.sql'), 'utf8').replace(/vacuum analyze;/, ''));
  await house.sql(url, 'VACUUM ANALYZE');
  await house.sql(url, 'CHECKPOINT');
}

async function work() {
  const { url, clients, seconds } = workerData;
  const statements = fs.readFileSync(path.join(here, 'pg/claim-1row.sql'), 'utf8').split('\n').map((line) => line.replace(/ \\gset|;$/g, '').trim()).filter(Boolean);
  const [begin, update, site, credential, commit] = statements;
  const takeId = credential.replace(':id', '$1');
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
        await client.query({ name: 'begin', text: begin });
        await client.query({ name: 'update', text: update });
        const { rows } = await client.query({ name: 'site', text: site });
        await client.query({ name: 'credential', text: takeId, values: [rows[0].id] });
        await client.query({ name: 'commit', text: commit });
        done++;
      }
    }),
  );
  const rate = done / ((performance.now() - start) / 1000);
  await Promise.all(connections.map((client) => client.end()));
  parentPort.postMessage(rate);
}

if (!isMainThread) await work();
