import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import cookie from '@fastify/cookie';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger } from 'nestjs-pino';
import {
  boundUnfinished,
  boundUnread,
  ClientCertField,
  type Config,
  createAdapter,
  DeviceListener,
  Drain,
  finishRequests,
  HandshakeCosts,
  mainPortOptions,
  readKeyPair,
  rootRoutes,
  serveDocument,
  validationPipe,
} from '#platform';
import { AgentSocketAdapter } from './agents/index.js';
import { AppModule } from './app.module.js';
import { serveDashboard } from './dashboard/index.js';

/**
 * The whole server, connected to its database (`config.database.url`) and migrated, but not yet listening.
 * Throws when the database cannot be reached or migrated.
 */
export async function createApp(config: Config): Promise<NestFastifyApplication> {
  const https = config.http.publicUrl.protocol === 'https:';
  const adapter = createAdapter({
    trustProxy: config.http.trustProxy.length > 0 && [...config.http.trustProxy],
    ...(config.http.tls ? { https: { ...mainPortOptions(config.http), ...readKeyPair(config.http.tls) } } : {}),
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.forRoot(config), adapter, {
    bufferLogs: true,
    abortOnError: false,
    bodyParser: false,
  });
  app.useLogger(app.get(Logger));
  const main = app.getHttpServer() as Server;
  const servers = [main, ...app.get(DeviceListener).serve(main)];
  boundUnfinished(servers, config);
  const costs = app.get(HandshakeCosts);
  for (const server of config.http.mainPortCertificates ? servers : servers.slice(1))
    costs.follow(server as HttpsServer);
  boundUnread(main, config);
  app.get(Drain).register('finish requests', 'requests', () => finishRequests(servers));
  const field = app.get(ClientCertField);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, _reply, done) => {
      field.read(request.raw);
      done();
    });
  await app.register(cookie as never);
  app.setGlobalPrefix('api/v1', { exclude: rootRoutes(app) });
  app.useGlobalPipes(validationPipe());
  app.useWebSocketAdapter(new AgentSocketAdapter(app, servers));
  app.useSecurityHeaders({
    // Over plain HTTP these two would send browsers to a port that nobody serves.
    // The operator's other hosts are not ours to promise for.
    strictTransportSecurity: https ? { includeSubDomains: false } : false,
    contentSecurityPolicy: https ? true : { directives: { upgradeInsecureRequests: null } },
  });
  serveDocument(app);
  await serveDashboard(app);
  return app;
}
