import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestOrg } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp({ DATABASE_POOL_SIZE: '10' });
});
afterAll(() => app?.close());

it('many who revoke one key at once wait for each other: none of them is ended, and one connection looks for them all', async () => {
  const org = await TestOrg.create(app.root);
  const other = await TestOrg.create(app.root);
  const { siteProvisioningKeyId: id } = await org.key();
  // Each holds the row for a while, as on a busy machine: the last of them wait for longer than anybody's patience.
  await app.sql(
    `CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$`,
  );
  await app.sql('CREATE TRIGGER slowly BEFORE UPDATE ON provisioning_key FOR EACH ROW EXECUTE FUNCTION slowly()');
  let done = 0;
  const changes = Array.from({ length: 60 }, async () => {
    const { status } = await app.root.patch(org.path(`site-provisioning-key/${id}`), { status: 'disabled' });
    done++;
    return status;
  });
  let most = 0;
  while (done < changes.length) {
    const [{ n }] = (await app.sql<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gatehouse-right-of-way'`,
    )) as [{ n: number }];
    most = Math.max(most, n);
    expect((await app.root.get(other.path('site-provisioning-keys'))).status).toBe(200);
  }
  expect(new Set(await Promise.all(changes))).toEqual(new Set([200]));
  expect(most).toBe(1);
  const audited = await app.sql<{ ended: number | null }>(
    `SELECT details -> 'endedTransactions' AS ended FROM audit WHERE target_id = $1 AND action = 'site_provisioning_key.update'`,
    [id],
  );
  expect(audited.map(({ ended }) => ended)).toEqual(Array.from({ length: 60 }, () => null));
});
