import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp } from '../../src/app.js';
import { Db, execute, Hooks, parseConfig, type Principal, query, systemPrincipal } from '../../libs/platform/index.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { TEST_MASTER_KEY } from './server.js';

/** The whole server in this process on a database of its own, not listening: for tests of services against real PostgreSQL. */
export interface House {
  app: NestFastifyApplication;
  db: Db;
  database: TestDatabase;
  /** An instance of any service. */
  get: NestFastifyApplication['get'];
  /** Rows of one statement outside a transaction. */
  sql<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** An organization with everything that a new one gets. */
  makeOrg(orgId: string, subnet?: string): Promise<void>;
  close(): Promise<void>;
}

/** Holds every action everywhere. */
export const operator: Principal = systemPrincipal('operator');

export async function openHouse(): Promise<House> {
  const database = await createTestDatabase();
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-house-'));
  const env = { DATABASE_URL: database.url, MASTER_KEY: TEST_MASTER_KEY, DATA_DIR: dataDir, LOG_LEVEL: 'silent', DATABASE_POOL_SIZE: '40' };
  const app = await createApp(parseConfig(env, dataDir));
  await app.init();
  const db = app.get(Db);
  return {
    app,
    db,
    database,
    get: app.get.bind(app) as NestFastifyApplication['get'],
    sql: (text, values) => query(db.manager, text, values),
    async makeOrg(orgId, subnet = '100.90.128.0/17') {
      await db.tx(async (tx) => {
        await execute(tx, 'INSERT INTO org (org_id, name, subnet, utility_subnet) VALUES ($1, $1, $2, $3)', [orgId, subnet, '100.96.128.0/20']);
        await app.get(Hooks).orgCreated.run(tx, orgId);
      });
    },
    async close() {
      await app.close();
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
