// What pages of the dashboard ask for in a large organization: lists, facets, exports, the audit, acts on many sites, events for many browsers; and
// what claims pay for the numbers that pages show.
import { claimLoad } from './claims.mjs';
import { cpuSeconds, median, quantiles, round, sleep } from './lib.mjs';
import { seedSites } from './seed.mjs';

const ORG = 'large';
const BROWSERS = 50;
/** One caller may have twenty streams. */
const PER_CALLER = 10;
const EVENTS_PER_MINUTE = 2_000;
const ACTED = 10_000;
/** Written by claims and sessions so that pages need not count. */
const COUNTING = [
  ['claim', 'claim_minute_insert'],
  ['claim', 'claim_minute_update'],
  ['event', 'event_minute_insert'],
  ['site_presence', 'site_progress_connected_insert'],
  ['site_presence', 'site_progress_connected_update'],
];

export async function dashboard({ testbed, table, options }) {
  const { sites } = options;
  const server = await testbed.server(await testbed.database());
  const org = await server.organization(ORG);
  await seedSites(server, org, sites);
  await seedStates(server, org);
  await lists({ server, table, options });
  await exports({ server, table, sites });
  await acts({ server, table });
  await stream({ server, table, options });
  await server.stop();
  await counting({ testbed, table, options });
}

/** Every state, 300 versions, groups and labels of different size, and an audit of as many rows as there are sites. */
async function seedStates(server, { orgId }) {
  await server.sql(
    `UPDATE site_presence SET connected_at = CASE WHEN site_id % 20 > 0 THEN now() - interval '1 day' END, last_seen_at = CASE WHEN site_id % 20 > 0 THEN now() - site_id % 1000 * interval '1 minute' END,
       session_id = CASE WHEN site_id % 20 > 8 THEN gen_random_uuid() END WHERE org_id = $1`,
    [orgId],
  );
  await server.sql(
    `INSERT INTO agent_report (site_id, org_id, agent_version) SELECT site_id, org_id, '1.' || site_id % 30 || '.' || site_id % 10 FROM site WHERE org_id = $1`,
    [orgId],
  );
  const { groupId } = await server.api('PUT', `/org/${orgId}/group`, { name: 'small' });
  await server.sql(
    'INSERT INTO site_group_member (group_id, site_id) SELECT $1, site_id FROM site WHERE org_id = $2 AND site_id % 200 = 0',
    [groupId, orgId],
  );
  await server.sql(
    `INSERT INTO audit (org_id, org_uid, actor_type, actor_id, actor_name, action, target_type, target_id, target_name, address, result)
     SELECT s.org_id, o.org_uid, 'user', 'u' || s.site_id % 40, 'person ' || s.site_id % 40, (ARRAY['site.update', 'site.approve', 'site.suspend'])[1 + s.site_id % 3],
       'site', s.site_id, s.name, '203.0.113.7', 'success' FROM site s JOIN org o USING (org_id) WHERE s.org_id = $1`,
    [orgId],
  );
  await server.sql('VACUUM ANALYZE');
  await server.sql('CHECKPOINT');
}

/** @type {[what: string, path: string][]} */
const READS = [
  ['the first page by name', '/sites?pageSize=20'],
  ['state=pending', '/sites?pageSize=20&state=pending'],
  ['state=offline', '/sites?pageSize=20&state=offline'],
  ['online=true', '/sites?pageSize=20&online=true'],
  ['online=false', '/sites?pageSize=20&online=false'],
  ['a group of nearly all', '/sites?pageSize=20&group=fleet'],
  ['a group of a few', '/sites?pageSize=20&group=small'],
  ['state=offline in a group of a few', '/sites?pageSize=20&group=small&state=offline'],
  ['by agentVersion', '/sites?pageSize=20&sort_by=agentVersion&order=desc'],
  ['by lastSeenAt, pending', '/sites?pageSize=20&sort_by=lastSeenAt&state=pending'],
  ['a text that few have', '/sites?pageSize=20&query=seeded-777'],
  ['the last page', '/sites?pageSize=20&page=LAST'],
  ['the last page of those offline', '/sites?pageSize=20&state=offline&page=OFFLINE'],
  ['facets', '/sites/facets'],
  ['the audit by text', '/audit?limit=50&query=person%207'],
  ['the audit of an act', '/audit?limit=50&action=site.suspend'],
];

/** One caller; each against the plain first page. */
async function lists({ server, table, options }) {
  const { pagination } = await server.api('GET', `/org/${ORG}/sites?pageSize=20&state=offline`);
  let plain = NaN;
  const last = (total) => String(Math.ceil(total / 20));
  for (const [what, given] of READS) {
    const path = given.replace('LAST', last(options.sites)).replace('OFFLINE', last(pagination.total));
    const times = [];
    for (let i = 0; i < 4 + 8 * options.runs; i++) {
      const start = performance.now();
      await server.api('GET', `/org/${ORG}${path}`);
      if (i >= 4) times.push(performance.now() - start);
    }
    const { p50 = NaN, max = NaN } = quantiles(times);
    if (Number.isNaN(plain)) plain = p50;
    table.row({
      what: `${what}, of ${options.sites.toLocaleString('en')}`,
      ours: `p50 ${round(p50)} ms, longest ${round(max)} ms`,
      against: `the first page by name ${round(plain)} ms`,
      ratio: plain / p50,
      target: { atLeast: what === 'facets' ? 0.01 : 0.05 },
    });
  }
}

/** Rows a second of whole lists, against the rows of the tables that they are of, sent to a client. */
async function exports({ server, table, sites }) {
  /** @type {[path: string, format: string | undefined, copied: string][]} */
  const lists = [
    ['/sites', 'csv', `SELECT * FROM site WHERE org_id = '${ORG}'`],
    ['/sites', 'jsonl', `SELECT * FROM site WHERE org_id = '${ORG}'`],
    ['/audit', 'csv', `SELECT * FROM audit WHERE org_id = '${ORG}'`],
    [
      '/export',
      undefined,
      `SELECT to_jsonb(s)::text FROM site s WHERE org_id = '${ORG}' UNION ALL SELECT to_jsonb(a)::text FROM audit a WHERE org_id = '${ORG}'`,
    ],
  ];
  for (const [path, format, copied] of lists) {
    const alone = performance.now();
    const rows = await server.sql(copied);
    const aloneRate = rows.length / ((performance.now() - alone) / 1000);
    const start = performance.now();
    const cpu = cpuSeconds(server.pid);
    const response = await fetch(`${server.url}/api/v1/org/${ORG}${path}${format ? `?format=${format}` : ''}`, {
      headers: { authorization: `Bearer ${server.testbed.rootKey}` },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    let lines = 0;
    let bytes = 0;
    for await (const chunk of /** @type {ReadableStream<Uint8Array>} */ (response.body)) {
      bytes += chunk.length;
      for (const byte of chunk) if (byte === 10) lines++;
    }
    const seconds = (performance.now() - start) / 1000;
    if (lines < sites) throw new Error(`${path}: ${lines} lines`);
    table.row({
      what: `export of ${path.slice(1)}${format ? ` as ${format}` : ''}, ${lines.toLocaleString('en')} rows`,
      ours: `${round(lines / seconds, 0)} rows/s, ${round(bytes / 1e6, 0)} MB, ${round((cpuSeconds(server.pid) - cpu) * (1e6 / lines), 0)} µs of processor time a row`,
      against: `the rows of the tables to a client ${round(aloneRate, 0)}/s`,
      ratio: lines / seconds / aloneRate,
      target: { atLeast: 0.02 },
    });
  }
}

/** A job on many sites, against the update, the audit row and the event of each as statements of their own. */
async function acts({ server, table }) {
  const ids = (
    await server.sql(
      `SELECT site_id AS id FROM site WHERE org_id = '${ORG}' AND status = 'approved' ORDER BY site_id LIMIT ${ACTED}`,
    )
  ).map(({ id }) => id);
  const alone = await aloneOn(server, ids.slice(0, 2000));
  for (const act of [{ action: 'add_labels', labels: { wave: 'two' } }, { action: 'suspend' }]) {
    const { action } = act;
    const start = performance.now();
    const { jobId } = await server.api('POST', `/org/${ORG}/site-actions`, { siteIds: ids, ...act });
    let job;
    do {
      await sleep(100);
      job = await server.api('GET', `/org/${ORG}/jobs/${jobId}?limit=1`);
    } while (!job.finishedAt);
    const rate = ids.length / ((performance.now() - start) / 1000);
    if (job.failed > 0 || job.done !== ids.length) throw new Error(`${action}: ${JSON.stringify(job)}`);
    table.row({
      what: `${action} on ${ids.length.toLocaleString('en')} sites as a job`,
      ours: `${round(rate, 0)} sites/s`,
      against: `update, audit row and event of each, PostgreSQL alone ${round(alone, 0)}/s`,
      ratio: rate / alone,
      target: { atLeast: 0.1 },
    });
  }
}

/** @returns sites a second, in transactions of 25. */
async function aloneOn(server, ids) {
  const start = performance.now();
  for (let i = 0; i < ids.length; i += 25)
    await server.sql(
      `DO $$ DECLARE i bigint;
       BEGIN
         FOREACH i IN ARRAY '{${ids.slice(i, i + 25).join(',')}}'::bigint[] LOOP
           UPDATE site SET labels = labels || '{"alone": "1"}' WHERE site_id = i;
           INSERT INTO audit (org_id, actor_type, action, target_type, target_id) VALUES ('${ORG}', 'system', 'site.update', 'site', i);
           INSERT INTO event (org_id, type, site_id) VALUES ('${ORG}', 'site.updated', i);
         END LOOP;
       END $$`,
    );
  return ids.length / ((performance.now() - start) / 1000);
}

/** Browsers that follow an organization in which something changes all the time: when an event is there, and what each costs the server. */
async function stream({ server, table, options }) {
  const stop = new AbortController();
  const late = [];
  let received = 0;
  const told = (ms) => {
    received++;
    late.push(ms);
  };
  for (let n = 0; n < BROWSERS; n += PER_CALLER) {
    const { apiKeyId, apiKey } = await server.api('PUT', `/org/${ORG}/api-key`, { name: `browsers ${n}` });
    await server.api('POST', `/org/${ORG}/api-key/${apiKeyId}/actions`, {
      actionIds: ['listEvents', 'listSites', 'getSite'],
    });
    await Promise.all(
      Array.from({ length: PER_CALLER }, () => follow(server, `${apiKeyId}.${apiKey}`, stop.signal, told)),
    );
  }
  const ids = (
    await server.sql(`SELECT site_id AS id FROM site WHERE org_id = '${ORG}' ORDER BY md5(site_id::text) LIMIT 1000`)
  ).map(({ id }) => id);
  const changes = Math.round((EVENTS_PER_MINUTE / 60) * options.seconds * 2);
  const cpu = cpuSeconds(server.pid);
  const start = performance.now();
  const writes = [];
  for (let i = 0; i < changes; i++) {
    await sleep(Math.max(0, start + (i * 60_000) / EVENTS_PER_MINUTE - performance.now()));
    writes.push(server.api('POST', `/site/${ids[i % ids.length]}`, { description: `change ${i}` }));
  }
  await Promise.all(writes);
  const wanted = changes * BROWSERS;
  for (let waited = 0; received < wanted && waited < 100; waited++) await sleep(100);
  const used = cpuSeconds(server.pid) - cpu;
  stop.abort();
  if (received < wanted) throw new Error(`${received} of ${wanted} events came`);
  const { p50, p99 } = quantiles(late);
  table.row({
    what: `events of ${EVENTS_PER_MINUTE.toLocaleString('en')} changes a minute to ${BROWSERS} browsers`,
    ours: `there after p50 ${round(p50, 0)} ms, p99 ${round(p99, 0)} ms; ${round((1e6 * used) / wanted, 0)} µs of processor time each, the changes too`,
    value: p99,
    target: { below: 2000 },
    unit: ' ms',
  });
}

/** Resolves once the stream is open. */
async function follow(server, key, signal, told) {
  const response = await fetch(`${server.url}/api/v1/org/${ORG}/events/stream?type=site.updated&after=now`, {
    headers: { authorization: `Bearer ${key}` },
    signal,
  });
  if (!response.ok) throw new Error(`the stream: ${response.status}`);
  void (async () => {
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of /** @type {ReadableStream<Uint8Array>} */ (response.body)) {
      text += decoder.decode(chunk, { stream: true });
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines)
        if (line.startsWith('data:')) told(Date.now() - Date.parse(JSON.parse(line.slice(5)).createdAt));
    }
  })().catch((error) => {
    if (!signal.aborted) throw error;
  });
}

/** @returns {('with' | 'without')[]} */
const inTurns = (pair) => (pair % 2 ? ['with', 'without'] : ['without', 'with']);

/** Claims with the triggers that count for pages, and without, in pairs that take turns on one key. */
async function counting({ testbed, table, options }) {
  const server = await testbed.server(await testbed.database());
  const { key } = await server.organization('counted');
  await claimLoad(testbed, server, key, { seconds: 1 });
  /** @type {Record<'with' | 'without', number[]>} */
  const rates = { with: [], without: [] };
  for (let pair = 0; pair < options.pairs; pair++)
    for (const which of inTurns(pair)) {
      for (const [of, trigger] of COUNTING)
        await server.sql(`ALTER TABLE ${of} ${which === 'with' ? 'ENABLE' : 'DISABLE'} TRIGGER ${trigger}`);
      await server.sql('CHECKPOINT');
      rates[which].push((await claimLoad(testbed, server, key, { seconds: options.seconds })).ok_per_s);
    }
  await server.stop();
  table.row({
    what: 'claims that are counted for pages as they come',
    ours: `${round(median(rates.with), 0)}/s`,
    against: `without these triggers ${round(median(rates.without), 0)}/s, ${options.pairs} pairs`,
    ratio: median(rates.with.map((rate, i) => rate / Number(rates.without[i]))),
    target: { atLeast: 0.9 },
  });
}
