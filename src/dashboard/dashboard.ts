import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { AppError, errorBody } from '#platform';
import { asksForPage, Page } from './page.js';

/**
 * Serves the dashboard: its page at every address that is nobody else's, for who takes HTML, and its assets (docs/adr/0079-one-page-for-browsers.md).
 * Call before init. @throws when the dashboard was not built
 */
export async function serveDashboard(app: NestFastifyApplication): Promise<void> {
  // Beside it are the assets, whose names change with their content.
  const file = createRequire(import.meta.url).resolve('#dashboard');
  const page = new Page(file);
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  await fastify.register(fastifyStatic, {
    root: join(dirname(file), 'assets'),
    prefix: '/assets/',
    decorateReply: false,
    index: false,
    preCompressed: true,
    immutable: true,
    maxAge: '365d',
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!asksForPage(request.method, request.originalUrl, request.headers.accept)) return done();
    const { html, policy } = page.render();
    void reply
      .header('content-security-policy', policy)
      .header('cache-control', 'no-cache')
      .header('vary', 'accept')
      .type('text/html; charset=utf-8')
      .send(html);
  });
  // Caches are told that this answer depends on what was asked for, too.
  fastify.get('/', (_request, reply) => {
    const error = new AppError('not_found', 'Cannot GET /');
    void reply.header('vary', 'accept').code(error.status).send(errorBody(error));
  });
}
