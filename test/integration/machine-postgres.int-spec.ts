import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../libs/platform/database/migrate.js';
import { Db, query } from '../../libs/platform/index.js';
import { checkDatabase } from '../../src/bootstrap/index.js';
import { MIGRATIONS } from '../../src/schema.js';
import { provision, TestOrg } from '../support/api.js';
import { startApp, type TestApp } from '../support/app.js';
import { findMachinePostgres, startMachinePostgres } from '../support/machine-postgres.mjs';

const found = findMachinePostgres();

// The suite runs on the embedded PostgreSQL 18; an operator's may be 15, with just-in-time compilation and whatever its package sets.
describe.skipIf(!found)('on the PostgreSQL of the machine', () => {
  let cluster: Awaited<ReturnType<typeof startMachinePostgres>>;
  let app: TestApp;
  beforeAll(async () => {
    cluster = await startMachinePostgres(found!, { jit: 'on', jit_above_cost: '0' });
    await checkDatabase(cluster.url, { ms: 30_000, say: () => undefined });
    await migrate(cluster.url, MIGRATIONS);
    app = await startApp(cluster.url);
  });
  afterAll(async () => {
    await app?.close();
    await cluster?.stop();
  });

  it('the schema is made, machines claim, and nothing is compiled', async () => {
    const org = await TestOrg.create(app.root);
    const key = await org.key({ maxBatchSize: 50 });
    const replies = await Promise.all(Array.from({ length: 80 }, () => provision(app.url, { provision_key: key.siteProvisioningKey })));
    expect(replies.filter((reply) => reply.status === 201)).toHaveLength(50);
    expect(replies.filter((reply) => reply.status === 403)).toHaveLength(30);
    expect((await org.sites()).pagination.total).toBe(50);
    const [plan] = await query<{ 'QUERY PLAN': { JIT?: unknown }[] }>(app.app.get(Db).manager, 'EXPLAIN (ANALYZE, FORMAT json) SELECT count(*) FROM site s JOIN site_credential c USING (site_id)');
    expect(plan!['QUERY PLAN'][0]!.JIT).toBeUndefined();
  });
});
