// Ordinary requests against a bare node:http server, measured in turns.
import fs from 'node:fs';
import path from 'node:path';
import { median, round } from './lib.mjs';
import { seedNewts, seedSites } from './seed.mjs';

const NEWTS = 2_000;

export async function http({ testbed, table, options }) {
  const { runs, seconds, sites } = options;
  const raw = await testbed.bare('raw-http.mjs');
  const server = await testbed.server(await testbed.database());
  const org = await server.organization('large');
  await seedSites(server, org, sites);
  const newts = path.join(testbed.folder, 'newts.jsonl');
  fs.writeFileSync(newts, (await seedNewts(server, org.orgId, NEWTS)).map((row) => JSON.stringify(row)).join('\n'));

  const authorization = `authorization: Bearer ${testbed.rootKey}`;
  const json = 'content-type: application/json';
  const loads = {
    bare: { url: `${raw.url}/`, method: 'POST', header: [json], body: '{"newtId":"{{rand}}","secret":"{{rand}}"}' },
    token: {
      url: `${server.url}/api/v1/auth/newt/get-token`,
      method: 'POST',
      header: [json],
      body: '{"newtId":"{{newtId}}","secret":"{{secret}}"}',
      data: newts,
    },
    create: {
      url: `${server.url}/api/v1/org/large/site`,
      method: 'PUT',
      header: [json, authorization],
      body: '{"name":"By hand {{n}}","type":"newt"}',
    },
    list: { url: `${server.url}/api/v1/org/large/sites?page=1&pageSize=20`, method: 'GET', header: [authorization] },
    last: {
      url: `${server.url}/api/v1/org/large/sites?page=${Math.floor(sites / 20)}&pageSize=20`,
      method: 'GET',
      header: [authorization],
    },
  };
  const measure = async (name, concurrency, more = {}) => {
    const result = await testbed.load({ ...loads[name], concurrency, duration: seconds, label: name, ...more });
    if (result.errors > 0)
      throw new Error(`${name}: ${result.errors} of ${result.total} failed: ${result.first_failure}`);
    return result;
  };
  // Every newt's first token settles its credential: once, before the clock runs.
  await measure('token', 16, { requests: NEWTS });
  for (const name of ['bare', 'token', 'create', 'list']) await measure(name, 16, { duration: 1 });

  const cases = [
    { name: 'token', concurrency: 64, what: 'get-token', target: 0.06, incumbent: '118/s' },
    { name: 'create', concurrency: 16, what: 'create a site', target: 0.015, incumbent: '48/s' },
    {
      name: 'list',
      concurrency: 16,
      what: `20 sites of ${sites.toLocaleString('en')}, exact total`,
      target: 0.012,
      incumbent: '28/s at 5,000 sites',
    },
  ];
  for (const { name, concurrency, what, target, incumbent } of cases) {
    const turns = [];
    for (let run = 0; run < runs; run++) {
      const bare = (await measure('bare', concurrency)).ok_per_s;
      const ours = await measure(name, concurrency);
      turns.push({ bare, ours: ours.ok_per_s, p99: ours.p99_ms, ratio: ours.ok_per_s / bare });
    }
    const of = (key) => median(turns.map((turn) => turn[key]));
    table.row({
      what: `${what}, ${concurrency} callers`,
      ours: `${round(of('ours'), 0)}/s, p99 ${round(of('p99'), 1)} ms`,
      against: `bare node:http POST ${round(of('bare'), 0)}/s`,
      ratio: of('ratio'),
      target: { atLeast: target },
      incumbent,
    });
  }
  const alone = [];
  for (let run = 0; run < runs; run++) alone.push(await measure('list', 1));
  table.row({
    what: `the same, one caller`,
    ours: `p50 ${round(median(alone.map((r) => r.p50_ms)), 1)} ms, p99 ${round(median(alone.map((r) => r.p99_ms)), 1)} ms`,
    value: median(alone.map((r) => r.p99_ms)),
    target: { below: 25 },
    unit: ' ms',
    incumbent: 'p99 60 ms at 5,000 sites',
  });
  const last = await measure('last', 1, { duration: Math.min(seconds, 2) });
  table.note(`The last page of the list, one caller: p50 ${last.p50_ms} ms, p99 ${last.p99_ms} ms.`);
  await checkTotals(server, table);
  await server.stop();
  await raw.stop();
}

/** The counters behind the totals must say what count(*) says. */
async function checkTotals(server, table) {
  const rows = await server.sql(
    `SELECT status, counted, n FROM (SELECT status, count(*) AS counted FROM site WHERE org_id = 'large' GROUP BY status) s
     FULL JOIN (SELECT status, sum(n)::bigint AS n FROM site_count WHERE org_id = 'large' GROUP BY status) c USING (status)`,
  );
  if (rows.some((row) => row.counted !== row.n))
    throw new Error(`Totals differ from count(*): ${JSON.stringify(rows)}`);
  const { pagination } = await server.api('GET', '/org/large/sites');
  const all = rows.reduce((sum, row) => sum + row.n, 0);
  if (pagination.total !== all) throw new Error(`The list says ${pagination.total} of ${all} sites`);
  table.note(`Totals equal count(*) afterwards: ${rows.map((row) => `${row.n} ${row.status}`).join(', ')}.`);
}
