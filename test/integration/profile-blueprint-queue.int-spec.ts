import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../../src/schema.js';
import { newHardwareId, provision, TestOrg } from '../support/api.js';
import { createEmptyDatabase, queryDatabase } from '../support/database.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

const blueprint = `public-resources:\n  "{{site.niceId}}":\n    name: "In {{label.room}}"\n    protocol: http\n    full-domain: "{{site.niceId}}.localhost"\n`;
interface Owed {
  attempts: number;
  wait: number;
}
const owed = async (siteId: number) =>
  (
    await app.sql<Owed>(
      'SELECT attempts, extract(epoch FROM due_at - now())::float8 AS wait FROM profile_blueprint_due WHERE site_id = $1',
      [siteId],
    )
  )[0];
const due = (siteId: number, attempts: number) =>
  app.sql('UPDATE profile_blueprint_due SET due_at = now(), attempts = $2 WHERE site_id = $1', [siteId, attempts]);

describe("a profile's blueprint that cannot be applied", () => {
  it('is tried again ever more seldom, then given up, visible all the time; mended it comes with the next claim', async () => {
    const org = await TestOrg.create(app.root);
    const { profileId } = await app.root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
      name: 'fleet',
      blueprint,
    });
    const key = await org.keyUnder({ profileId });
    const claim = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() };
    expect((await provision(app.root.url, claim)).status).toBe(201);
    const { siteId } = (await org.sites()).sites[0]!;
    const history = async () =>
      (await app.root.expect<{ blueprints: { succeeded: boolean }[] }>('GET', org.path('blueprints'))).blueprints;
    expect(await history()).toMatchObject([{ succeeded: false }]);

    const waits: number[] = [];
    for (const attempts of [0, 1, 2, 9]) {
      await due(siteId, attempts);
      const row = await until(async () => ((await owed(siteId))?.attempts === attempts + 1 ? owed(siteId) : undefined));
      waits.push(row!.wait);
    }
    const steps = [5, 20, 80, 3600];
    expect(waits.map((wait) => steps.findIndex((step) => wait <= step))).toEqual([0, 1, 2, 3]);
    await due(siteId, 11);
    await until(async () => (await owed(siteId)) === undefined);
    expect(await history()).toMatchObject([{ succeeded: false }]);

    await app.root.expect('POST', `/site/${siteId}`, { labels: { room: '7' } });
    expect((await provision(app.root.url, claim)).status).toBe(200);
    expect(
      (await app.root.expect<{ resources: { name: string }[] }>('GET', org.path('resources'))).resources.map(
        (r) => r.name,
      ),
    ).toEqual(['In 7']);
  });

  it('is owed by no site whose profile has none, nor once it was applied', async () => {
    const org = await TestOrg.create(app.root);
    const { profileId } = await app.root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
      name: 'fleet',
      labels: { room: '1' },
      blueprint,
    });
    for (const key of [await org.key(), await org.keyUnder({ profileId })])
      expect((await provision(app.root.url, { provision_key: key.siteProvisioningKey })).status).toBe(201);
    for (const { siteId } of (await org.sites()).sites) expect(await owed(siteId)).toBeUndefined();
  });
});

it('sites of 0.1.0 that never got theirs are owed it', async () => {
  const database = await createEmptyDatabase();
  const migrate = async (migrations: readonly (new () => object)[]) => {
    const source = await new DataSource({
      type: 'postgres',
      url: database.url,
      migrations: migrations as never,
    }).initialize();
    await source.runMigrations({ transaction: 'each' }).finally(() => source.destroy());
  };
  try {
    await migrate(MIGRATIONS.slice(0, 3));
    await queryDatabase(
      database.url,
      `
      INSERT INTO org (org_id, name, subnet, utility_subnet) VALUES ('o', 'o', '10.0.0.0/16', '10.1.0.0/16');
      INSERT INTO provisioning_profile (profile_id, org_id, name, blueprint) VALUES (1, 'o', 'with', 'x'), (2, 'o', 'without', NULL);
      INSERT INTO provisioning_template (template_id, org_id, name, profile_id) VALUES (1, 'o', 'with', 1), (2, 'o', 'without', 2);
      INSERT INTO site (site_id, org_id, nice_id, name, status, template_id) VALUES (1, 'o', 'lost', 'x', 'approved', 1), (2, 'o', 'has', 'x', 'approved', 1), (3, 'o', 'none', 'x', 'approved', 2), (4, 'o', 'hand', 'x', 'approved', NULL);
      INSERT INTO blueprint_source (org_id, site_id, kind) VALUES ('o', 1, 'file'), ('o', 2, 'profile')`,
    );
    await migrate(MIGRATIONS);
    expect(
      await queryDatabase(database.url, 'SELECT site_id FROM profile_blueprint_due WHERE due_at <= now()'),
    ).toEqual([{ site_id: 1 }]);
  } finally {
    await database.drop();
  }
});
