import 'reflect-metadata';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDataSource } from '../../libs/platform/database/database.module.js';
import { Db, execute, notify } from '../../libs/platform/database/db.js';
import { DatabaseDisk } from '../../libs/platform/database/disk.js';
import { DatabaseHealth } from '../../libs/platform/database/health.js';
import { PgNotifications } from '../../libs/platform/database/pg-notifications.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let dataSource: DataSource;
let health: DatabaseHealth;
let db: Db;
const heard: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = await createDataSource(database.url, 4, []).initialize();
  health = new DatabaseHealth(database.url);
  // It does not listen: what is heard comes from the transactions alone.
  const deaf = new PgNotifications(database.url);
  deaf.onEarly('access_changed', (name) => heard.push(name));
  deaf.on('access_changed', (name) => heard.push(`late ${name}`));
  db = new Db(dataSource, health, new DatabaseDisk(dataSource), deaf);
});
afterAll(async () => {
  await health?.onApplicationShutdown();
  await dataSource?.destroy();
  await database?.drop();
});

it('caches of a process hear of what it committed before the caller goes on, and of nothing that was undone', async () => {
  await db.tx(async (tx) => {
    await notify(tx, 'access_changed', 'key:a');
    expect(heard).toEqual([]);
  });
  expect(heard).toEqual(['key:a']);
  await db.tx((tx) => db.commitWith(tx, [notify(tx, 'access_changed', 'key:b')]));
  expect(heard).toEqual(['key:a', 'key:b']);
  const undone = db.tx(async (tx) => {
    await notify(tx, 'access_changed', 'key:c');
    await execute(tx, 'SELECT 1 / 0');
  });
  await expect(undone).rejects.toThrow('division by zero');
  expect(heard).toEqual(['key:a', 'key:b']);
});
