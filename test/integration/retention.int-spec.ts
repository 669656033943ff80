import 'reflect-metadata';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../libs/platform/config/config.js';
import { createDataSource } from '../../libs/platform/database/database.module.js';
import { Db, execute, query } from '../../libs/platform/database/db.js';
import { DatabaseDisk } from '../../libs/platform/database/disk.js';
import { DatabaseHealth } from '../../libs/platform/database/health.js';
import { PgNotifications } from '../../libs/platform/database/pg-notifications.js';
import { Retention } from '../../libs/platform/database/retention.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let dataSource: DataSource;
let health: DatabaseHealth;
let retention: Retention;

beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = await createDataSource(database.url, 4, []).initialize();
  health = new DatabaseHealth(database.url);
  retention = new Retention(
    new Db(dataSource, health, new DatabaseDisk(dataSource), new PgNotifications(database.url)),
    parseConfig({ RETENTION_DAYS: '30' }, '/'),
  );
  retention.register({ table: 'audit', id: 'audit_id' });
  retention.register({
    table: 'claim',
    id: 'claim_id',
    unless: 'EXISTS (SELECT FROM site s WHERE s.site_id = r.site_id AND s.claim_id = r.claim_id)',
  });
});
afterAll(async () => {
  await health?.onApplicationShutdown();
  await dataSource?.destroy();
  await database?.drop();
});

describe('retention', () => {
  it('deletes what is older than RETENTION_DAYS in batches, and keeps the claim of a site that exists', async () => {
    const em = dataSource.manager;
    await execute(
      em,
      `INSERT INTO org (org_id, name, subnet, utility_subnet) VALUES ('acme', 'acme', '10.0.0.0/8', '11.0.0.0/8')`,
    );
    await execute(
      em,
      `INSERT INTO audit (org_id, actor_type, action, created_at) SELECT 'acme', 'system', 'x', now() - interval '31 days' FROM generate_series(1, 12000)`,
    );
    await execute(
      em,
      `INSERT INTO audit (org_id, actor_type, action, created_at) VALUES ('acme', 'system', 'x', now() - interval '29 days')`,
    );
    await execute(
      em,
      `INSERT INTO site (org_id, nice_id, name, status, claim_id) VALUES ('acme', 'n', 'n', 'approved', 1)`,
    );
    await execute(
      em,
      `INSERT INTO claim (claim_id, org_id, site_id, door, outcome, created_at)
       SELECT i, 'acme', CASE WHEN i = 1 THEN (SELECT site_id FROM site) END, 'device', 'refused', now() - interval '31 days' FROM generate_series(1, 10) i`,
    );
    expect(await retention.sweep()).toBe(12_009);
    expect(await query(em, 'SELECT count(*) AS n FROM audit')).toEqual([{ n: 1 }]);
    expect(await query(em, 'SELECT claim_id AS id FROM claim')).toEqual([{ id: 1 }]);
    expect(await retention.sweep()).toBe(0);
  });
});
