// What a site exposes: lists and reads beside a bare node:http server, resources with their targets beside PostgreSQL alone, blueprints.
import fs from 'node:fs';
import path from 'node:path';
import { median, round } from './lib.mjs';
import { measureResources } from './pg-ceiling.mjs';
import { seedResources, seedSites } from './seed.mjs';

const CALLERS = 16;
const SAMPLE = 5_000;
const IN_A_BLUEPRINT = 500;

export async function resources({ testbed, table, options }) {
  const { runs, seconds, sites } = options;
  const bare = await testbed.bare('raw-http.mjs');
  const server = await testbed.server(await testbed.database());
  const org = await server.organization('large');
  const { domains } = await server.api('GET', '/org/large/domains');
  await seedSites(server, org, sites);
  await seedResources(server, org, domains[0], sites);

  const siteIds = await sample(server, `SELECT site_id AS id FROM site WHERE org_id = 'large' AND status = 'approved'`);
  const bench = new Bench(testbed, server, bare, { runs, seconds });
  const reads = [
    { what: 'sites', list: '/org/large/sites', get: '/site/{{id}}', ids: siteIds },
    {
      what: 'public resources',
      list: '/org/large/resources',
      get: '/resource/{{id}}',
      ids: await sample(server, `SELECT resource_id AS id FROM resource WHERE org_id = 'large'`),
    },
    {
      what: 'private resources',
      list: '/org/large/site-resources',
      get: '/site-resource/{{id}}',
      ids: await sample(server, `SELECT site_resource_id AS id FROM site_resource WHERE org_id = 'large'`),
    },
  ];
  for (const { what, list, get, ids } of reads) {
    const pages = ids.map((_, i) => ({ page: 1 + (i % 200) }));
    await bench.read(
      table,
      `20 ${what} of ${sites.toLocaleString('en')}`,
      `${list}?page={{page}}&pageSize=20`,
      pages,
      25,
    );
    await bench.read(
      table,
      `one of the ${what} by id`,
      get,
      ids.map((id) => ({ id })),
      5,
    );
  }
  await creating({ testbed, table, server, bench, siteIds, domainId: domains[0].domainId, runs, seconds });
  await blueprint({ table, server, runs, siteId: siteIds[0] });
  await server.stop();
  await bare.stop();
}

async function sample(server, text) {
  return (await server.sql(`SELECT id FROM (${text}) s ORDER BY md5(id::text) LIMIT ${SAMPLE}`)).map((row) => row.id);
}

class Bench {
  constructor(testbed, server, bare, { runs, seconds }) {
    this.testbed = testbed;
    this.server = server;
    this.bare = bare;
    this.runs = runs;
    this.seconds = seconds;
  }

  /** One load against the server with the root key; `rows` fill the templates. Throws unless every request succeeds. */
  async load(route, rows, concurrency, more = {}) {
    const data = path.join(this.testbed.folder, 'rows.jsonl');
    fs.writeFileSync(data, rows.map((row) => JSON.stringify(row)).join('\n'));
    const header = [`authorization: Bearer ${this.testbed.rootKey}`, 'content-type: application/json'];
    const result = await this.testbed.load({
      url: `${this.server.url}/api/v1${route}`,
      header,
      data,
      concurrency,
      duration: this.seconds,
      warmup: 0.5,
      ...more,
    });
    if (result.errors > 0)
      throw new Error(`${route}: ${result.errors} of ${result.total} failed: ${result.first_failure}`);
    return result;
  }

  /** Against bare node:http in turns, then alone with a limit for p99. */
  async read(table, what, route, rows, limitMs) {
    const turns = [];
    const alone = [];
    for (let run = 0; run < this.runs; run++) {
      const { ok_per_s: floor } = await this.testbed.load({
        url: `${this.bare.url}/`,
        method: 'POST',
        header: ['content-type: application/json'],
        body: '{"newtId":"{{rand}}","secret":"{{rand}}"}',
        concurrency: CALLERS,
        duration: this.seconds,
      });
      const ours = await this.load(route, rows, CALLERS);
      turns.push({ floor, rate: ours.ok_per_s, p99: ours.p99_ms, ratio: ours.ok_per_s / floor });
      alone.push(await this.load(route, rows, 1));
    }
    const of = (key) => median(turns.map((turn) => turn[key]));
    table.row({
      what: `${what}, ${CALLERS} callers`,
      ours: `${round(of('rate'), 0)}/s, p99 ${round(of('p99'), 1)} ms`,
      against: `bare node:http POST ${round(of('floor'), 0)}/s`,
      ratio: of('ratio'),
      target: { atLeast: 0.012 },
    });
    const p99 = median(alone.map((r) => r.p99_ms));
    table.row({
      what: `the same, one caller`,
      ours: `p50 ${round(median(alone.map((r) => r.p50_ms)), 1)} ms, p99 ${round(p99, 1)} ms`,
      value: p99,
      target: { below: limitMs },
      unit: ' ms',
    });
  }
}

/** A public resource and then its target, each its own request, against the same statements sent by 16 clients to PostgreSQL alone. */
async function creating({ testbed, table, server, bench, siteIds, domainId, runs, seconds }) {
  const rows = siteIds.map((siteId) => ({ siteId }));
  const both = {
    method: 'PUT',
    body: `{"name":"made {{n}}","subdomain":"made-{{rand}}","http":true,"protocol":"tcp","domainId":"${domainId}"}`,
    'then-url': `${server.url}/api/v1/resource/{{resourceId}}/target`,
    'then-body': '{"siteId":{{siteId}},"ip":"10.0.0.8","port":8080,"method":"http"}',
  };
  const turns = [];
  const ceiling = { orgId: 'large', siteIds, domainId, clients: CALLERS };
  await measureResources(server.databaseUrl, { ...ceiling, seconds: 1 });
  await bench.load('/org/large/resource', rows, CALLERS, { ...both, duration: 1 });
  for (let run = 0; run < runs; run++) {
    await testbed.sql(server.databaseUrl, 'CHECKPOINT');
    const alone = await measureResources(server.databaseUrl, { ...ceiling, seconds });
    await testbed.sql(server.databaseUrl, 'CHECKPOINT');
    const {
      ok_per_s: rate,
      p99_ms: p99,
      ok,
      cpu_s: cpu,
    } = await bench.load('/org/large/resource', rows, CALLERS, { ...both, pid: `server=${server.pid}` });
    turns.push({ alone, rate, p99, ratio: rate / alone, cpu: (1000 * cpu.server) / ok });
  }
  const of = (key) => median(turns.map((turn) => turn[key]));
  // 500/s, or half of what PostgreSQL does alone, whichever is lower.
  const enough = Math.min(500 / of('alone'), 0.5);
  table.row({
    what: `create a resource and its target, ${CALLERS} callers`,
    ours: `${round(of('rate'), 0)}/s, p99 ${round(of('p99'), 0)} ms`,
    against: `PostgreSQL alone, same statements ${round(of('alone'), 0)}/s`,
    ratio: of('ratio'),
    target: { atLeast: round(enough, 3) },
  });
  table.note(`A resource and its target: server ${round(of('cpu'), 2)} ms of processor time.`);
}

/** 500 public resources with a target each, in one document: new, then unchanged. */
async function blueprint({ table, server, runs, siteId }) {
  const { niceId } = await server.api('GET', `/site/${siteId}`);
  const took = { fresh: [], same: [] };
  for (let run = 0; run < runs; run++) {
    const document = ['public-resources:'];
    for (let i = 0; i < IN_A_BLUEPRINT; i++) {
      document.push(
        `  bp-${run}-${i}:`,
        `    name: Blueprint ${run} ${i}`,
        '    protocol: http',
        `    full-domain: bp-${run}-${i}.localhost`,
        '    targets:',
        `      - { site: ${niceId}, hostname: 10.0.1.1, port: 8080, method: http }`,
      );
    }
    for (const which of ['fresh', 'same']) {
      const start = performance.now();
      const response = await fetch(`${server.url}/api/v1/org/large/blueprint`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${server.testbed.rootKey}`, 'content-type': 'application/yaml' },
        body: document.join('\n'),
      });
      const answer = await response.text();
      if (!response.ok) throw new Error(`The blueprint: ${response.status} ${answer}`);
      took[which].push((performance.now() - start) / 1000);
    }
  }
  const { length } = await server.sql(`SELECT 1 FROM resource WHERE org_id = 'large' AND name LIKE 'Blueprint %'`);
  if (length !== runs * IN_A_BLUEPRINT) throw new Error(`The blueprints made ${length} resources`);
  table.row({
    what: `a blueprint of ${IN_A_BLUEPRINT} resources`,
    ours: `${round(median(took.fresh), 2)} s, unchanged ${round(median(took.same), 2)} s`,
    value: median(took.fresh),
    target: { below: 2 },
    unit: ' s',
  });
}
