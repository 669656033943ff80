import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Config } from '../config/config.js';
import { reloadKeyPair } from '../crypto/tls.js';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { DeviceListener } from './device-listener.js';
import { mainPortOptions } from './tls-credential.js';

const BACKLOG = 8192;
const CLOSE_EVERY_MS = 50;

const logger = new Logger('Server');

/** Serves the API on PORT, with a certificate that is read again when it is renewed, and machines on theirs. @returns the port. */
export async function listen(app: NestFastifyApplication, { http }: Config): Promise<number> {
  await app.get(DeviceListener).listen();
  await app.listen({ port: http.port, host: http.host, backlog: BACKLOG });
  const server = app.getHttpServer() as unknown as HttpsServer;
  const { port } = server.address() as AddressInfo;
  if (http.publicUrl.port === '0') http.publicUrl.port = String(port);
  if (http.tls)
    reloadKeyPair(
      server,
      http.tls,
      { info: (text) => logger.log(text), warn: (text) => logger.warn(text) },
      mainPortOptions(http),
    );
  return port;
}

/** Takes no more connections and waits until every request is answered. */
export async function finishRequests(servers: Server[]): Promise<void> {
  // A connection that was answering when it began stays open for more requests; without this the server would wait for them.
  const closing = new PeriodicTask('Server', {
    failure: 'Idle connections could not be closed',
    everyMs: CLOSE_EVERY_MS,
    run: () => servers.forEach((server) => server.closeIdleConnections()),
  });
  closing.wake();
  await Promise.all(servers.map((server) => new Promise<void>((done) => server.close(() => done()))));
  await closing.stop();
}
