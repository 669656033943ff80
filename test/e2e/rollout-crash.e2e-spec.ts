import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EPOCH } from '#contracts';
import { Api, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { dyingServer, failpoint } from '../support/dying-server.js';
import { secretValue } from '../support/secret-values.js';
import { startServer, until } from '../support/server.js';

const SITES = 250;
const FIRST = EPOCH + 1;
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database?.drop();
});

const sql = <Row extends object>(text: string, values: unknown[]) => queryDatabase<Row>(database.url, text, values);

/** An organization of sites that run with the first version of its secret TOKEN. */
async function fleet(root: Api): Promise<TestOrg> {
  const org = await TestOrg.create(root);
  const { profileId } = await root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
    name: 'p',
  });
  await root.expect('PUT', org.path('secret'), { name: 'TOKEN', value: secretValue('one') });
  await sql(
    `WITH made AS (
       INSERT INTO site (org_id, nice_id, name, status, profile_id) SELECT $1, 'site-' || i, 'site', 'approved', $2 FROM generate_series(1, $3::int) i RETURNING site_id
     ), revision AS (
       INSERT INTO bootstrap_revision (profile_id, revision, org_id, document, created_by) VALUES ($2, 1, $1, 'env: { TOKEN: "{{secret.TOKEN}}" }', 'test')
     ), bootstrap AS (
       INSERT INTO bootstrap (profile_id, org_id, current_revision, settled_revision) VALUES ($2, $1, 1, 1)
     )
     INSERT INTO site_bundle (site_id, org_id, version, inputs, secrets, state, applied_version)
     SELECT site_id, $1, $4, jsonb_build_object('profileId', $2::bigint, 'revision', 1, 'site', '{}'::jsonb, 'labels', '{}'::jsonb,
         'secrets', jsonb_build_object('TOKEN', jsonb_build_object('secretId', secret_id, 'secretVersionId', secret_version_id, 'version', 1))),
       ARRAY[secret_version_id], 'applied', $4
     FROM made, secret JOIN secret_version USING (secret_id) WHERE secret.org_id = $1`,
    [org.orgId, profileId, SITES, FIRST],
  );
  await sql(
    'INSERT INTO bootstrap_secret (profile_id, revision, secret_id) SELECT $1, 1, secret_id FROM secret WHERE org_id = $2',
    [profileId, org.orgId],
  );
  return org;
}

/** How many versions each site was offered after its first one. */
const offers = (orgId: string) =>
  sql<{ times: number; sites: number }>(
    `SELECT version - $2 AS times, count(*) AS sites FROM site_bundle WHERE org_id = $1 GROUP BY 1 ORDER BY 1`,
    [orgId, FIRST],
  );
const jobsOf = (orgId: string) =>
  sql<{ status: string; done: number }>('SELECT status, done FROM job WHERE org_id = $1', [orgId]);

/** @returns an organization whose rollout of a new version was asked of a server that dies of it. */
const dying = (): Promise<string> =>
  dyingServer(database.url, failpoint('offer-of-rollout'), async (server, file) => {
    const org = await fleet(Api.root(server));
    writeFileSync(file, '2');
    // Its answer may be lost with the server.
    await org.root
      .post(org.path('secret/TOKEN/version'), { value: secretValue('two'), rollout: { canary: 0, perMinute: null } })
      .catch(() => undefined);
    return org.orgId;
  });

/** Another server brings it to all, and to its end. */
async function finish(orgId: string): Promise<void> {
  const healthy = await startServer({ databaseUrl: database.url });
  try {
    const read = async () =>
      (
        await Api.root(healthy).expect<{ rollouts: { status: string; offered: number; waiting: number }[] }>(
          'GET',
          `/org/${orgId}/rollouts`,
        )
      ).rollouts[0]!;
    await until(async () => (await read()).offered === SITES);
    // Nobody is connected; as if they had been waited for.
    await until(async () => {
      await sql(`UPDATE site_bundle SET changed_at = now() - interval '1 hour' WHERE org_id = $1`, [orgId]);
      return (await read()).status === 'succeeded';
    });
    expect(await read()).toMatchObject({ offered: SITES, waiting: SITES });
  } finally {
    await healthy.stop();
  }
  expect(await offers(orgId)).toEqual([{ times: 1, sites: SITES }]);
  expect(await sql('SELECT settled_version AS settled FROM secret WHERE org_id = $1', [orgId])).toEqual([
    { settled: 2 },
  ]);
  for (const type of ['rollout.started', 'rollout.finished'])
    expect(await sql('SELECT FROM event WHERE org_id = $1 AND type = $2', [orgId, type]), type).toHaveLength(1);
}

it('the server of a rollout killed within a step: nothing of the step stays, and another offers it to the rest, each once', async () => {
  const orgId = await dying();
  expect(await offers(orgId)).toEqual([
    { times: 0, sites: 150 },
    { times: 1, sites: 100 },
  ]);
  expect(await jobsOf(orgId)).toEqual([{ status: 'running', done: 100 }]);
  await finish(orgId);
});
