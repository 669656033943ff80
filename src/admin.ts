import 'reflect-metadata';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { bootPatience, Config, loadConfig } from '../libs/platform/index.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../libs/platform/database/embedded-postgres.js';
import { AccessModule } from './access/index.js';
import { foundation } from './app.module.js';
import { AuditModule } from './audit/index.js';
import { ADMIN_USAGE, AdminCommands, AdminModule, AdminUsageError, prepareDatabase, sentenceFor } from './bootstrap/index.js';
import { MIGRATIONS } from './schema.js';

@Module({})
class AdminApp {
  static forRoot(config: Config): DynamicModule {
    return { module: AdminApp, imports: [...foundation(config), AuditModule, AccessModule, AdminModule] };
  }
}

/** The admin command: the house without its doors, on the database of the running server or one started for the moment. */
async function main(args: string[]): Promise<string> {
  if (args.length === 0) throw new AdminUsageError();
  const loaded = loadConfig(process.env, process.cwd(), { existing: true });
  const log = { info: () => undefined, warn: (text: string) => void process.stderr.write(`${text}\n`) };
  let postgres: EmbeddedPostgres | undefined;
  try {
    if (loaded.databaseUrl === undefined) postgres = await startEmbeddedPostgres({ dataDir: loaded.dataDir, log, shared: true });
    const databaseUrl = await prepareDatabase(loaded.databaseUrl ?? postgres!.url, MIGRATIONS, bootPatience(loaded, log.warn));
    const config = new Config({ ...loaded, databaseUrl, databasePoolSize: 2 });
    const app = await NestFactory.createApplicationContext(AdminApp.forRoot(config), { logger: ['error'], abortOnError: false });
    try {
      return await app.get(AdminCommands, { strict: false }).run(args);
    } finally {
      await app.close();
    }
  } finally {
    await postgres?.stop();
  }
}

try {
  process.stdout.write(await main(process.argv.slice(2)));
} catch (error) {
  const usage = error instanceof AdminUsageError;
  process.stderr.write(usage ? ADMIN_USAGE : `${sentenceFor(error) ?? (error as Error).stack}\n`);
  process.exitCode = usage ? 64 : 1;
}
