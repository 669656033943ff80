// Claims on one key: against PostgreSQL's own ceiling, and whether they stay as fast when the organization is large.
import { findMachinePostgres, startMachinePostgres } from '../support/machine-postgres.mjs';
import { median, round } from './lib.mjs';
import { measurePgbench, measureWorker } from './pg-ceiling.mjs';
import { seedSites } from './seed.mjs';
import { findPgbench, pgEnvironment, Testbed } from './testbed.mjs';

const CLIENTS = 64;

/** 64 callers on one key, every hardware id and nonce a new one. @returns claims per second, and what load.mjs says. */
export async function claimLoad(testbed, server, key, { seconds, warmup = 0, concurrency = CLIENTS }) {
  const result = await testbed.load({
    url: `${server.url}/api/v1/provision`,
    method: 'POST',
    header: 'content-type: application/json',
    body: `{"provision_key":"${key}","device_name":"Sensor {{n}}","hardware_id":"{{uuid}}","claim_nonce":"{{nonce}}"}`,
    concurrency,
    duration: seconds,
    warmup,
    expect: '201',
    pid: `server=${server.pid}`,
    label: 'claim',
  });
  if (result.errors > 0) throw new Error(`${result.errors} of ${result.total} claims failed: ${result.first_failure}`);
  return result;
}

/** Everything that the claims of an organization made; throws unless it is all equal. */
export async function countAll(server, orgId, extraSites = 0) {
  const [counts] = await server.sql(
    `SELECT (SELECT count(*) FROM site WHERE org_id = $1) - $2 AS sites,
       (SELECT count(*) FROM site_credential WHERE org_id = $1) AS credentials,
       (SELECT count(*) FROM claim WHERE org_id = $1 AND outcome = 'created') AS claims,
       (SELECT count(*) FROM audit WHERE org_id = $1 AND action = 'site.claim') AS "audit rows",
       (SELECT count(*) FROM event WHERE org_id = $1 AND type = 'device.provisioned') AS events,
       (SELECT sum(uses) FROM provisioning_key WHERE org_id = $1) AS uses,
       (SELECT sum(n) FROM site_count WHERE org_id = $1)::bigint - $2 AS "counted sites",
       (SELECT count(*) FROM site_group_member m JOIN site_group g USING (group_id) WHERE g.org_id = $1) - $2 AS "group members"`,
    [orgId, extraSites],
  );
  const values = Object.values(counts);
  if (values.some((n) => n !== values[0]))
    throw new Error(`The claims of ${orgId} left unequal counts: ${JSON.stringify(counts)}`);
  return counts;
}

export async function claims({ testbed, table, options, on = '' }) {
  const { runs, seconds } = options;
  const server = await testbed.server(await testbed.database());
  const ceilingUrl = await testbed.database();
  const pgbench = findPgbench();
  /** @type {Record<'worker' | 'pgbench' | 'ours' | 'p99' | 'ratio' | 'cpu', number[]>} */
  const rates = { worker: [], pgbench: [], ours: [], p99: [], ratio: [], cpu: [] };
  let made = 0;
  for (let run = 0; run < runs; run++) {
    const { orgId, key } = await server.organization(`claims-${run}`);
    await claimLoad(testbed, server, key, { seconds: 1 });
    const worker = await measureWorker(testbed, ceilingUrl, { clients: CLIENTS, seconds });
    rates.worker.push(worker);
    const environment = pgEnvironment(ceilingUrl);
    const alone = pgbench
      ? await measurePgbench(testbed, ceilingUrl, pgbench, environment, { clients: CLIENTS, seconds })
      : 0;
    rates.pgbench.push(alone);
    await testbed.sql(server.databaseUrl, 'CHECKPOINT');
    const result = await claimLoad(testbed, server, key, { seconds });
    rates.ours.push(result.ok_per_s);
    rates.p99.push(result.p99_ms);
    rates.cpu.push((1000 * result.cpu_s.server) / result.ok);
    rates.ratio.push(result.ok_per_s / Math.max(worker, alone));
    made += (await countAll(server, orgId)).sites;
  }
  await server.stop();
  const ceiling = Math.max(median(rates.worker), median(rates.pgbench));
  table.note(
    `PostgreSQL alone, five statements on one key row, ${CLIENTS} clients: worker thread ${round(median(rates.worker), 0)}/s, pgbench ${pgbench ? `${round(median(rates.pgbench), 0)}/s` : 'not found'}.`,
  );
  table.note(
    `Claims: ${made} made in ${runs} runs; sites, credentials, claims, audit rows, events, uses and group members counted: all equal. Server ${round(median(rates.cpu), 2)} ms of processor time each.`,
  );
  table.row({
    what: `claims on one key, ${CLIENTS} callers${on}`,
    ours: `${round(median(rates.ours), 0)}/s, p99 ${round(median(rates.p99), 0)} ms`,
    against: `PostgreSQL alone ${round(ceiling, 0)}/s`,
    ratio: median(rates.ratio),
    target: { atLeast: 2 },
    incumbent: '54/s (0.04)',
  });
}

/** Claims into a large organization against claims into an empty one, in pairs that take turns. */
export async function flat({ testbed, table, options, on = '' }) {
  const { pairs, seconds, sites } = options;
  const server = await testbed.server(await testbed.database());
  const large = await server.organization('large');
  await seedSites(server, large, sites);
  await claimLoad(testbed, server, large.key, { seconds: 2 });
  const ratios = [];
  const rates = { large: [], empty: [] };
  for (let pair = 0; pair < pairs; pair++) {
    const empty = await server.organization(`empty-${pair}`);
    await claimLoad(testbed, server, empty.key, { seconds: 0.3 });
    const turn = {};
    for (const which of pair % 2 ? ['large', 'empty'] : ['empty', 'large']) {
      await server.sql('CHECKPOINT');
      turn[which] = (await claimLoad(testbed, server, which === 'large' ? large.key : empty.key, { seconds })).ok_per_s;
      rates[which].push(turn[which]);
    }
    ratios.push(turn.large / turn.empty);
  }
  await countAll(server, 'large', sites);
  await server.stop();
  table.row({
    what: `claims with ${sites.toLocaleString('en')} sites there${on}`,
    ours: `${round(median(rates.large), 0)}/s`,
    against: `empty organization ${round(median(rates.empty), 0)}/s, ${pairs} pairs`,
    ratio: median(ratios),
    target: { atLeast: 0.9 },
    incumbent: 'a tenth at 5,000 sites',
  });
}

/**
 * Both again on the machine's own PostgreSQL, where one is found, with the settings of its package: just-in-time compilation is on there. While
 * claims run, plans are invalidated over and over, as by an index made or a table analysed, which made every execution compile for 43 ms once.
 */
export async function machine({ table, options }) {
  const found = findMachinePostgres();
  if (!found) return table.note('PostgreSQL of the machine: none found.');
  const on = `, PostgreSQL ${found.major} of the machine`;
  const testbed = await Testbed.open(await startMachinePostgres(found, { max_connections: 200 }));
  try {
    await claims({ testbed, table, options, on });
    await flat({ testbed, table, options: { ...options, pairs: Math.min(options.pairs, 3) }, on });
    const server = await testbed.server(await testbed.database());
    const { key } = await server.organization('invalidated');
    const calm = await claimLoad(testbed, server, key, { seconds: options.seconds, warmup: 1 });
    const invalidate = setInterval(
      () => void server.sql('CREATE INDEX passing ON site (created_at); DROP INDEX passing').catch(() => undefined),
      250,
    );
    const disturbed = await claimLoad(testbed, server, key, { seconds: options.seconds });
    clearInterval(invalidate);
    await server.stop();
    table.row({
      what: `claims while plans are invalidated four times a second${on}`,
      ours: `${round(disturbed.ok_per_s, 0)}/s`,
      against: `undisturbed ${round(calm.ok_per_s, 0)}/s`,
      ratio: disturbed.ok_per_s / calm.ok_per_s,
      target: { atLeast: 0.7 },
      incumbent: '0.1 (with JIT)',
    });
  } finally {
    await testbed.close();
  }
}
