import { tmpdir } from 'node:os';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Db, parseConfig, systemPrincipal } from '#platform';
import { ApiKeysService, UsersService } from '../../src/access/index.js';
import { createApp } from '../../src/app.js';
import { Api } from './api.js';

export { CSRF, logIn } from './log-in.js';

import { TEST_MASTER_KEY } from './server.js';

/** A server in this process, for tests that want its services beside its port. */
export interface StartedApp {
  app: NestFastifyApplication;
  url: string;
  db: Db;
  /** As a root key of its own. */
  root: Api;
  close(): Promise<void>;
}

/** Starts the server on a free port against a migrated database. */
export async function startApp(databaseUrl: string, env: Record<string, string> = {}): Promise<StartedApp> {
  const config = parseConfig(
    {
      DATABASE_URL: databaseUrl,
      MASTER_KEY: TEST_MASTER_KEY,
      LOG_LEVEL: 'silent',
      DATABASE_POOL_SIZE: '8',
      RAW_PORTS: '1-65535',
      ...env,
    },
    tmpdir(),
  );
  const app = await createApp(config);
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const db = app.get(Db);
  const key = await db.tx((tx) => app.get(ApiKeysService).createRootKey(tx, systemPrincipal('test'), { name: 'test' }));
  return { app, url, db, root: new Api(url, `${key.apiKeyId}.${key.apiKey}`), close: () => app.close() };
}

/** Makes a user. @returns the id. */
export async function createUser(
  { app, db }: StartedApp,
  user: { email: string; password: string; serverAdmin?: boolean },
): Promise<string> {
  const users = app.get(UsersService);
  const passwordHash = await users.hashPassword(systemPrincipal('test'), user.password);
  return db.tx((tx) =>
    users.createUser(tx, systemPrincipal('test'), {
      email: user.email,
      passwordHash,
      serverAdmin: user.serverAdmin ?? false,
    }),
  );
}
