import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { dyingServer, failpoint } from '../support/dying-server.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { arm, withinRequest } from '../support/within-request.js';

const SITES = 60;
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database?.drop();
});

const sql = <Row extends object>(text: string, values: unknown[]) => queryDatabase<Row>(database.url, text, values);
const tellings = (orgId: string) =>
  sql<{ sites: number; approved: number; audited: number }>(
    `SELECT (SELECT count(*) FROM site WHERE org_id = $1 AND status = 'approved') AS sites,
       (SELECT count(*) FROM event WHERE org_id = $1 AND type = 'site.approved') AS approved,
       (SELECT count(*) FROM audit WHERE org_id = $1 AND action = 'site.approve') AS audited`,
    [orgId],
  );
const jobsOf = (orgId: string) =>
  sql<{ jobId: number; status: string; done: number }>(
    'SELECT job_id AS "jobId", status, done FROM job WHERE org_id = $1',
    [orgId],
  );

/** An organization whose approval of all its sites, as a job, is asked of a server that dies of it. */
const dying = (point: string, arming: (file: string, org: TestOrg) => void): Promise<string> =>
  dyingServer(database.url, point, async (server, file) => {
    const org = await TestOrg.create(Api.root(server));
    await sql(
      `INSERT INTO site (org_id, nice_id, name, status) SELECT $1, 'site-' || i, 'site', 'pending' FROM generate_series(1, $2::int) i`,
      [org.orgId, SITES],
    );
    arming(file, org);
    // Its answer may be lost with the server.
    await org.root.post(org.path('approvals'), { filter: {}, decision: 'approve', asJob: true }).catch(() => undefined);
    return org.orgId;
  });

async function finish(orgId: string): Promise<void> {
  const [job] = await jobsOf(orgId);
  const healthy: TestServer = await startServer({ databaseUrl: database.url });
  try {
    const details = await until(async () => {
      const read = await Api.root(healthy).expect<{ finishedAt: string | null; results: { outcome: string }[] }>(
        'GET',
        `/org/${orgId}/jobs/${job!.jobId}`,
      );
      return read.finishedAt !== null && read;
    });
    expect(details).toMatchObject({ status: 'succeeded', total: SITES, done: SITES, failed: 0 });
    expect(details.results.map(({ outcome }) => outcome)).toEqual(Array(SITES).fill('approved'));
  } finally {
    await healthy.stop();
  }
  expect(await tellings(orgId)).toEqual([{ sites: SITES, approved: SITES, audited: SITES }]);
  expect(await sql(`SELECT 1 FROM event WHERE org_id = $1 AND type = 'job.finished'`, [orgId])).toHaveLength(1);
}

describe('the server of a job killed', () => {
  it('in the middle of a step: nothing of the step stays, and another server does the rest once', async () => {
    const orgId = await dying(failpoint('decision-of-job'), (file) => writeFileSync(file, '40'));
    expect(await jobsOf(orgId)).toMatchObject([{ status: 'running', done: 25 }]);
    expect(await tellings(orgId)).toEqual([{ sites: 25, approved: 25, audited: 25 }]);
    await finish(orgId);
  });

  it('between the commit that starts it and the answer: another server does it', async () => {
    const orgId = await dying(withinRequest, (file, org) =>
      arm(file, { request: `POST ${org.path('approvals')}`, at: 'answer' }),
    );
    expect(await jobsOf(orgId)).toHaveLength(1);
    await finish(orgId);
  });
});
