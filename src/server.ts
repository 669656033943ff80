import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  type Config,
  type EmbeddedPostgres,
  listen,
  loadConfig,
  readEnvironment,
  startEmbeddedPostgres,
  startupRetryOptions,
} from '#platform';
import { createApp } from './app.js';
import { EdgeListener, InternalListener, RawListener } from './edge/index.js';
import { announce, checkMachine, FirstRun, prepareDatabase, SetupLinks, sentenceFor } from './first-run/index.js';
import { MIGRATIONS } from './schema.js';

/** A little more than the budget of the drain (src/cluster): for what hangs even after it. */
const CLOSE_MS = 7_000;

const logger = new Logger('Server');
const log = { info: (text: string) => logger.log(text), warn: (text: string) => logger.warn(text) };

let app: NestFastifyApplication | undefined;
let postgres: EmbeddedPostgres | undefined;

async function start(): Promise<void> {
  for (const hint of readEnvironment(process.env, process.cwd()).hints) log.warn(hint);
  const config = await withDatabase(loadConfig());
  app = await createApp(config);
  await app.init();
  const made = await app.get(FirstRun).run();
  const setupToken = await app.get(SetupLinks).create();
  const edgePort = await app.get(EdgeListener).listen();
  await app.get(InternalListener).listen(edgePort);
  app.get(RawListener).start();
  announce(config, await listen(app, config), { edgePort, made, setupToken, databaseDir: postgres?.relocatedTo });
}

/** The configuration with a database that answers: the one of DATABASE_URL, or the embedded one, started. */
async function withDatabase(config: Config): Promise<Config> {
  await checkMachine(config);
  if (config.database.url === undefined)
    postgres = await startEmbeddedPostgres({ dataDir: config.installation.dataDir, log });
  const url = await prepareDatabase(
    config.database.url ?? postgres!.url,
    config.installation.masterKeys,
    MIGRATIONS,
    startupRetryOptions(config, log.warn),
  );
  return config.withDatabase({ url });
}

/** Drains, then stops, the embedded database last. */
async function stop(): Promise<void> {
  const closed = app?.close().catch((error: Error) => logger.error(error));
  await Promise.race([closed, new Promise((done) => setTimeout(done, CLOSE_MS))]);
  await postgres?.stop();
}

/**
 * The server as a program: starts it, and stops it when a signal asks for it. A start that fails says why on standard error and ends the
 * process with code 1.
 */
export async function run(): Promise<void> {
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // A terminal and npm may both deliver the same Ctrl-C.
      if (stopping) return;
      stopping = true;
      void stop().finally(() => process.exit(0));
    });
  }
  try {
    await start();
  } catch (error) {
    // What a start meets that a signal ended is of no interest; the process ends with the stop under way.
    if (!stopping) {
      process.stderr.write(`${sentenceFor(error) ?? (error as Error).stack ?? String(error)}\n`);
      stopping = true;
      await stop();
      process.exit(1);
    }
  }
}
