import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Api, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { dyingServer, failpoint } from '../support/dying-server.js';
import { startServer, until } from '../support/server.js';

const SITES = 250;
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database?.drop();
});

const sql = <Row extends object>(text: string, values: unknown[]) => queryDatabase<Row>(database.url, text, values);
const asked = async (orgId: string) =>
  Number((await sql<{ n: string }>('SELECT count(*) AS n FROM credential_rotation WHERE org_id = $1', [orgId]))[0]!.n);

/** An organization whose fleet a server was asked to rotate, which died of it. */
const dying = (): Promise<string> =>
  dyingServer(database.url, failpoint('ask-of-rotation'), async (server, file) => {
    const org = await TestOrg.create(Api.root(server));
    await sql(
      `WITH made AS (INSERT INTO site (org_id, nice_id, name, status) SELECT $1, 'site-' || i, 'site', 'approved' FROM generate_series(1, $2::int) i RETURNING site_id)
       INSERT INTO site_credential (site_id, org_id, kind, secret_hash) SELECT site_id, $1, 'api_key', sha256(site_id::text::bytea) FROM made`,
      [org.orgId, SITES],
    );
    writeFileSync(file, '2');
    // Its answer may be lost with the server.
    await org.root.post(org.path('credential-rotations'), { filter: {}, perMinute: null }).catch(() => undefined);
    return org.orgId;
  });

it('the server of a rotation killed within a step: nothing of the step stays, and another asks the rest, each once', async () => {
  const orgId = await dying();
  expect(await asked(orgId)).toBe(100);
  const healthy = await startServer({ databaseUrl: database.url });
  try {
    const read = async () =>
      (
        await Api.root(healthy).expect<{
          rotations: { status: string; asked: number; waiting: number; gone: number }[];
        }>('GET', `/org/${orgId}/credential-rotations`)
      ).rotations[0]!;
    await until(async () => (await read()).asked === SITES);
    // Nobody is connected; as if they had been waited for.
    await until(async () => {
      await sql(`UPDATE credential_rotation SET requested_at = now() - interval '1 hour' WHERE org_id = $1`, [orgId]);
      return (await read()).status === 'succeeded';
    });
    expect(await read()).toMatchObject({ asked: SITES, waiting: SITES, gone: 0 });
  } finally {
    await healthy.stop();
  }
  expect(await asked(orgId)).toBe(SITES);
  expect(await sql(`SELECT FROM event WHERE org_id = $1 AND type = 'job.finished'`, [orgId])).toHaveLength(1);
});
