import 'reflect-metadata';
import { setTimeout as delay } from 'node:timers/promises';
import { type DynamicModule, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type Config, type EmbeddedPostgres, loadConfig, startEmbeddedPostgres, startupRetryOptions } from '#platform';
import { AccessModule } from './access/index.js';
import { foundation } from './app.module.js';
import { AuditModule } from './audit/index.js';
import {
  ADMIN_USAGE,
  AdminCommands,
  AdminModule,
  AdminUsageError,
  adminCommandOf,
  checkDatabase,
  checkMasterKeys,
  prepareDatabase,
  reportDatabase,
  sentenceFor,
} from './first-run/index.js';
import { MIGRATIONS } from './schema.js';

@Module({})
class AdminApp {
  static forRoot(config: Config): DynamicModule {
    return { module: AdminApp, imports: [...foundation(config), AuditModule, AccessModule, AdminModule] };
  }
}

/** For what is still open once the command is done. */
const CLOSE_MS = 5_000;

/**
 * The admin command: modules without HTTP, on the database of the running server or one started for the moment.
 * @returns the exit code, once everything is printed.
 */
async function main(args: string[]): Promise<number> {
  if (args.some((argument) => ['--help', '-h', 'help'].includes(argument))) {
    await print(process.stdout, ADMIN_USAGE);
    return 0;
  }
  const command = adminCommandOf(args);
  const loaded = loadConfig(process.env, process.cwd(), { existing: true });
  const log = { info: () => undefined, warn: (text: string) => void process.stderr.write(`${text}\n`) };
  let postgres: EmbeddedPostgres | undefined;
  try {
    if (loaded.database.url === undefined)
      postgres = await startEmbeddedPostgres({ dataDir: loaded.installation.dataDir, log, shared: true });
    const url = loaded.database.url ?? postgres!.url;
    if (command[0] === 'check') return await check(url, loaded, log.warn);
    const { masterKeys } = loaded.installation;
    const databaseUrl = await prepareDatabase(url, masterKeys, MIGRATIONS, startupRetryOptions(loaded, log.warn));
    const config = loaded.withDatabase({ url: databaseUrl, poolSize: 2 });
    const app = await NestFactory.createApplicationContext(AdminApp.forRoot(config), {
      logger: ['error'],
      abortOnError: false,
    });
    try {
      await print(
        process.stdout,
        await app.get(AdminCommands, { strict: false }).run(command, (text) => print(process.stdout, text)),
      );
      return 0;
    } finally {
      await Promise.race([app.close(), delay(CLOSE_MS)]);
    }
  } finally {
    await postgres?.stop();
  }
}

async function check(url: string, config: Config, say: (text: string) => void): Promise<number> {
  const settled = await checkDatabase(url, startupRetryOptions(config, say));
  await checkMasterKeys(settled, config.installation.masterKeys);
  const { text, sound } = await reportDatabase(
    settled,
    config.database.poolSize,
    MIGRATIONS.length,
    config.installation.masterKeys,
  );
  await print(process.stdout, text);
  return sound ? 0 : 1;
}

const print = (stream: NodeJS.WriteStream, text: string): Promise<void> =>
  new Promise((done) => stream.write(text, () => done()));

/** The admin command as a program: does what its arguments say and ends the process with the code of that. */
export async function run(): Promise<never> {
  let code: number;
  try {
    code = await main(process.argv.slice(2));
  } catch (error) {
    const usage = error instanceof AdminUsageError;
    await print(process.stderr, usage ? ADMIN_USAGE : `${sentenceFor(error) ?? (error as Error).stack}\n`);
    code = usage ? 64 : 1;
  }
  // Whatever timer or socket is left must not keep a finished command running.
  process.exit(code);
}
