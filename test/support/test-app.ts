import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { register } from 'prom-client';
import type { Action } from '#contracts';
import { Db, type Principal, parseConfig, query, systemPrincipal } from '#platform';
import { ApiKeysService } from '../../src/access/index.js';
import { createApp } from '../../src/app.js';
import { OrgsService } from '../../src/orgs/index.js';
import { Api } from './api.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { expectNoTrace } from './secret-values.js';
import { TEST_MASTER_KEY } from './server.js';

/** The whole server in this process, on a database and a port of its own: for tests of services against real PostgreSQL. */
export interface TestApp {
  nest: NestFastifyApplication;
  db: Db;
  database: TestDatabase;
  /** An instance of any service. */
  get: NestFastifyApplication['get'];
  /** Rows of one statement outside a transaction. */
  sql<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** HTTP with a root key, and with a key of one organization that holds these actions. */
  root: Api;
  orgKey(orgId: string, ...actions: Action[]): Promise<Api>;
  /** An organization with everything that a new one gets. */
  makeOrg(orgId: string, subnet?: string): Promise<void>;
  close(): Promise<void>;
}

/** Holds every action everywhere. */
export const operator: Principal = systemPrincipal('operator');

/** @param given its database, where it is not to have one of its own */
export async function openTestApp(extra: Record<string, string> = {}, given?: TestDatabase): Promise<TestApp> {
  const database = given ?? (await createTestDatabase());
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-test-app-'));
  const env = {
    DATABASE_URL: database.url,
    MASTER_KEY: TEST_MASTER_KEY,
    DATA_DIR: dataDir,
    LOG_LEVEL: 'silent',
    DATABASE_POOL_SIZE: '40',
    EDGE_PORT: '0',
    RAW_PORTS: '1-65535',
    ...extra,
  };
  const nest = await createApp(parseConfig(env, dataDir));
  await nest.init();
  await nest.listen(0, '127.0.0.1');
  const db = nest.get(Db);
  const keys = nest.get(ApiKeysService);
  const rootKey = await db.tx((tx) => keys.createRootKey(tx, operator, { name: 'test' }));
  const root = new Api(await nest.getUrl(), `${rootKey.apiKeyId}.${rootKey.apiKey}`);
  return {
    nest,
    db,
    database,
    get: nest.get.bind(nest) as NestFastifyApplication['get'],
    sql: (text, values) => query(db.manager, text, values),
    root,
    async orgKey(orgId, ...actions) {
      const key = await keys.create(operator, orgId, { name: 'test' });
      await keys.setActions(operator, orgId, key.apiKeyId, actions);
      return root.as(`${key.apiKeyId}.${key.apiKey}`);
    },
    async makeOrg(orgId, subnet = '100.90.128.0/17') {
      await nest.get(OrgsService).createOrg(operator, { orgId, name: orgId, subnet, utilitySubnet: '100.96.128.0/20' });
    },
    async close() {
      await nest.close();
      if (!given) await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
      expectNoTrace('the metrics', await register.metrics());
    },
  };
}
