import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Api, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { dyingServer, failpoint } from '../support/dying-server.js';
import { startServer, until } from '../support/server.js';

const SITES = 500;
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

const sql = <Row extends object>(text: string, values: unknown[]) => queryDatabase<Row>(database.url, text, values);
interface Told {
  suspended: number;
  events: number;
  audited: number;
  sites: number;
}
/** Sites that are suspended, how often that was told, and of how many different ones. */
const told = async (orgId: string, jobId: number) =>
  (
    await sql<Told>(
      `SELECT (SELECT count(*) FROM site WHERE org_id = $1 AND suspended_at IS NOT NULL)::int AS suspended,
         (SELECT count(*) FROM event WHERE org_id = $1 AND type = 'site.suspended')::int AS events,
         count(*)::int AS audited, count(DISTINCT target_id)::int AS sites
       FROM audit WHERE org_id = $1 AND action = 'site.suspend' AND (details ->> 'jobId')::int = $2`,
      [orgId, jobId],
    )
  )[0]!;

it('acts on each of 500 sites once although two servers die of it, and tells what came of each', async () => {
  const { orgId, jobId, revoked } = await dyingServer(database.url, failpoint('act-on-site'), async (server, file) => {
    const org = await TestOrg.create(Api.root(server));
    const made = await sql<{ siteId: number }>(
      `INSERT INTO site (org_id, nice_id, name, status, revoked_at)
       SELECT $1, 'site-' || i, 'site', 'approved', CASE WHEN i = 7 THEN now() END FROM generate_series(1, $2::int) i RETURNING site_id::int AS "siteId"`,
      [org.orgId, SITES],
    );
    writeFileSync(file, '130');
    const job = await org.root.expect<{ jobId: number }>('POST', org.path('site-actions'), {
      filter: {},
      action: 'suspend',
      note: 'storm',
    });
    return { orgId: org.orgId, jobId: job.jobId, revoked: made[6]!.siteId };
  });
  const first = await told(orgId, jobId);
  expect(first.suspended).toBeGreaterThan(0);
  expect(first.suspended).toBeLessThan(130);
  expect(first).toEqual({ ...first, events: first.suspended, audited: first.suspended, sites: first.suspended });
  // The next server goes on with it, until it dies too.
  await dyingServer(database.url, failpoint('act-on-site'), async (_, file) => writeFileSync(file, '140'));
  const second = await told(orgId, jobId);
  expect(second.suspended).toBeGreaterThan(first.suspended);
  expect(second.suspended).toBeLessThan(SITES - 1);
  expect(second).toEqual({ ...second, events: second.suspended, audited: second.suspended, sites: second.suspended });

  const healthy = await startServer({ databaseUrl: database.url });
  try {
    const root = Api.root(healthy);
    const path = `/org/${orgId}/jobs/${jobId}`;
    const job = await until(async () => {
      const read = await root.expect<{ finishedAt: string | null }>('GET', path);
      return read.finishedAt !== null && read;
    });
    expect(job).toMatchObject({ status: 'succeeded', total: SITES, done: SITES, failed: 1 });
    const csv = await fetch(`${healthy.url}/api/v1${path}?format=jsonl`, {
      headers: { authorization: `Bearer ${root.authorization}` },
    });
    const results = (await csv.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { item: string; outcome: string; failed: boolean });
    expect(results).toHaveLength(SITES);
    expect(new Set(results.map(({ item }) => item)).size).toBe(SITES);
    expect(results.filter(({ outcome }) => outcome !== 'done')).toMatchObject([
      { item: String(revoked), failed: true },
    ]);
  } finally {
    await healthy.stop();
  }
  const all = SITES - 1;
  expect(await told(orgId, jobId)).toEqual({ suspended: all, events: all, audited: all, sites: all });
  expect(await sql(`SELECT FROM event WHERE org_id = $1 AND type = 'job.finished'`, [orgId])).toHaveLength(1);
});
