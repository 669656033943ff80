import pg from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clientOf, poolOf } from '../../libs/platform/database/typeorm-internals.js';
import { createEmptyDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let dataSource: DataSource;
beforeAll(async () => {
  database = await createEmptyDatabase();
  dataSource = await new DataSource({ type: 'postgres', url: database.url }).initialize();
});
afterAll(async () => {
  await dataSource?.destroy();
  await database?.drop();
});

it('a data source of TypeORM has the pool of pg in driver.master', () => {
  expect(
    poolOf(dataSource),
    'TypeORM keeps its pool elsewhere now: mend poolOf, or no statement outside of a transaction runs',
  ).toBeInstanceOf(pg.Pool);
});

it('a query runner of TypeORM answers the client of pg that its transaction runs on', async () => {
  const runner = dataSource.createQueryRunner();
  const client = await clientOf(runner);
  expect(client, 'connect() of a query runner no longer answers a client of pg: mend clientOf').toBeInstanceOf(
    pg.Client,
  );
  const pid = async () => ((await client.query('SELECT pg_backend_pid() AS pid')).rows as { pid: number }[])[0]!.pid;
  const [{ pid: runners }] = (await runner.query('SELECT pg_backend_pid() AS pid')) as [{ pid: number }];
  expect(runners, 'a query runner asks over another connection than the one it answered: mend clientOf').toBe(
    await pid(),
  );
  await runner.release();
});
