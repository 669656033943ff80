import 'reflect-metadata';
import type { Server } from 'node:https';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { DataSource } from 'typeorm';
import {
  bootPatience,
  type Config,
  type EmbeddedPostgres,
  loadConfig,
  reloadKeyPair,
  serveMetrics,
  startEmbeddedPostgres,
} from '#platform';
import { createApp } from './app.js';
import {
  checkMachine,
  FirstRun,
  firstSecrets,
  nextKey,
  prepareDatabase,
  sentenceFor,
  whereabouts,
  writePidFile,
} from './first-run/index.js';
import { MIGRATIONS } from './schema.js';

/** The server closes before its database does, and both within the 10 s that a supervisor grants. */
const DRAIN_MS = 6_500;
const LISTEN_BACKLOG = 8192;

const logger = new Logger('Server');
const log = { info: (text: string) => logger.log(text), warn: (text: string) => logger.warn(text) };
const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

let app: NestFastifyApplication | undefined;
let postgres: EmbeddedPostgres | undefined;

async function start(): Promise<void> {
  const config = await withDatabase(loadConfig());
  app = await createApp(config);
  if (config.http.metricsPort !== undefined) {
    await serveMetrics(
      config.http.host,
      config.http.metricsPort,
      app.getHttpAdapter().getInstance() as unknown as FastifyInstance,
      app.get(DataSource),
    );
  }
  await app.init();
  const made = await app.get(FirstRun).run();
  await app.listen({ port: config.http.port, host: config.http.host, backlog: LISTEN_BACKLOG });
  const server = app.getHttpServer() as unknown as Server;
  const { port } = server.address() as AddressInfo;
  writePidFile(config.installation.dataDir, port);
  if (config.http.publicUrl.port === '0') config.http.publicUrl.port = String(port);
  if (config.http.tls) reloadKeyPair(server, config.http.tls, log);

  const { publicUrl, metricsPort } = config.http;
  const { dataDir } = config.installation;
  const place = { publicUrl, metricsPort, dataDir, version, databaseDir: postgres?.relocatedTo };
  process.stdout.write(`\n${whereabouts(place)}\n`);
  if (made) {
    process.stdout.write(
      `These secrets are shown once, here and in ${dataDir}/first-run.txt:\n\n${firstSecrets(made, publicUrl)}\n`,
    );
  } else {
    process.stdout.write(`${nextKey(publicUrl)}\n`);
  }
}

/** The configuration with a database that answers: the one of DATABASE_URL, or the embedded one, started. */
async function withDatabase(config: Config): Promise<Config> {
  await checkMachine(config);
  if (config.database.url === undefined)
    postgres = await startEmbeddedPostgres({ dataDir: config.installation.dataDir, log });
  const url = await prepareDatabase(config.database.url ?? postgres!.url, MIGRATIONS, bootPatience(config, log.warn));
  return config.withDatabase({ url });
}

/** Drains, then stops, the embedded database last. */
async function stop(): Promise<void> {
  // A connection that was answering when the drain began stays open for more requests; without this the server would wait for them.
  const server = app?.getHttpServer() as Server | undefined;
  const closing = setInterval(() => server?.closeIdleConnections(), 50);
  const drained = app?.close().catch((error: Error) => logger.error(error));
  await Promise.race([drained, new Promise((done) => setTimeout(done, DRAIN_MS))]);
  clearInterval(closing);
  await postgres?.stop();
}

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
  process.stderr.write(`${sentenceFor(error) ?? (error as Error).stack ?? String(error)}\n`);
  stopping = true;
  await stop();
  process.exit(1);
}
