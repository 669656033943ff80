import { randomUUID } from 'node:crypto';
import { type Server, STATUS_CODES } from 'node:http';
import type { ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { GatehouseRequest } from '../access/route-access.js';
import type { Config } from '../config/config.js';
import { AppError } from '../errors.js';
import { BODY_BOUNDS, boundedText, checkUrl, unstorableIn } from './bounds.js';
import { errorBody } from './error-filter.js';
import { canonicalUrl } from './path-names.js';
import { answerInTurn } from './pipelining.js';
import { needsTls, takesCsr, takesDocument } from './route-placement.js';
import { UnfinishedRequests, unfinishedBounds } from './unfinished-requests.js';

const BODY_LIMIT = 1024 * 1024;
/** Of a route that takes documents: more than a document may have, so that what reads it says so. */
const DOCUMENT_BODY_LIMIT = 2 * BODY_LIMIT;
/** Ten times a signing request with the largest key that is taken. */
const CSR_BODY_LIMIT = 32 * 1024;

/** What supervisors and load balancers ask of a server that stops, too. */
const ALWAYS_ANSWERED: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/** Answers 503 in the envelope from the moment that the server begins to stop. */
class DrainingAdapter extends FastifyAdapter {
  draining = false;

  override beforeClose(): void {
    super.beforeClose();
    this.draining = true;
  }
}

/** Answers what could not be read as a request, so that no hook or filter ever sees it, and ends the connection. */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const known =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new AppError('headers_too_large', 'The URL and the headers are too large together')
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new AppError('timeout', 'The request did not arrive in time')
        : new AppError('validation', 'This is not a valid HTTP request');
  const body = JSON.stringify(errorBody(known));
  const head = [
    `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'X-Content-Type-Options: nosniff',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

/** Closes connections on which requests begin and do not arrive, once there are too many of them on all servers together. */
export function boundUnfinished(servers: Server[], config: Config): void {
  new UnfinishedRequests(unfinishedBounds(config), (socket) =>
    refuseUnreadable(Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket),
  ).watch(servers);
}

/** The HTTP layer below Nest: one port serves `/api/v1` and, rewritten onto it, `/v1`. `https`: with which TLS, when there is. */
export function createAdapter(options: {
  trustProxy: boolean | string | string[];
  https?: ServerOptions;
}): FastifyAdapter {
  const adapter = new DrainingAdapter({
    bodyLimit: BODY_LIMIT,
    trustProxy: options.trustProxy,
    routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true },
    requestTimeout: 60_000,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    genReqId: () => randomUUID(),
    ...(options.https ? { https: options.https } : {}),
    rewriteUrl: ({ url }: { url?: string }) => canonicalUrl(url ?? '/'),
    // The router refuses these before any hook runs.
    frameworkErrors: (error: Error, _request: unknown, reply: FastifyReply) => {
      const known = new AppError(
        'validation',
        (error as { code?: string }).code === 'FST_ERR_BAD_URL'
          ? 'The path is not a valid URL'
          : 'The path is too long',
      );
      void reply.code(known.status).send(errorBody(known));
    },
    clientErrorHandler: refuseUnreadable,
  } as never);
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  answerInTurn(fastify.server);
  fastify.decorateRequest('arrivedAt', 0);
  fastify.decorateRequest('viaIntegration', false);
  fastify.addHook('onRequest', (request, reply, done) => {
    const r = request as GatehouseRequest;
    // Secrets are answered in more places than one, and no answer of the API is for a cache.
    if (/^\/(api|\.well-known)\//.test(request.url))
      reply.header('cache-control', 'no-store').header('x-request-id', request.id);
    r.viaIntegration = request.originalUrl.startsWith('/v1');
    if (r.viaIntegration && request.headers.origin !== undefined) allowAnyOrigin(request, reply);
    if (adapter.draining) reply.header('connection', 'close');
    if (adapter.draining && !ALWAYS_ANSWERED.has(request.url)) {
      const error = new AppError('shutting_down', 'The server is stopping', { retryAfter: 2 });
      return void reply.header('retry-after', '2').code(error.status).send(errorBody(error));
    }
    if (r.viaIntegration && request.method === 'OPTIONS') return void reply.code(204).send();
    checkUrl(request.originalUrl);
    done();
  });
  // Once all of it is here: whoever sends a body slowly must not hold the answers of others back (docs/claims.md rule 2, the floor).
  fastify.addHook('preValidation', (request, _reply, done) => {
    (request as GatehouseRequest).arrivedAt = performance.now();
    done();
  });
  fastify.addHook('onRoute', (route) => {
    if (takesDocument(route.config)) route.bodyLimit = DOCUMENT_BODY_LIMIT;
    if (takesCsr(route.config)) route.bodyLimit = CSR_BODY_LIMIT;
    if (needsTls(route.config)) route.onRequest = requireTls;
  });
  // JSON only; an empty body with a JSON content type is a request without a body.
  fastify.removeAllContentTypeParsers();
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    let text: string;
    try {
      text = boundedText(body as Buffer, BODY_BOUNDS);
    } catch (error) {
      return done(error as Error, undefined);
    }
    if (text === '') return done(null, undefined);
    return parse(request, text, (error: Error | null, value?: unknown) => {
      done(error ?? unstorableIn(text, value) ?? null, value);
    });
  });
  fastify.addContentTypeParser('application/pkcs10', { parseAs: 'string' }, (request, body, done) => {
    if (takesCsr(request.routeOptions.config)) done(null, body);
    else done(new AppError('unsupported_media_type', 'Send JSON (application/json)'), undefined);
  });
  // A blueprint as it is written; every other route speaks JSON.
  fastify.addContentTypeParser(
    ['application/yaml', 'application/x-yaml', 'text/yaml'],
    { parseAs: 'buffer' },
    (request, body, done) => {
      if (!takesDocument(request.routeOptions.config))
        return done(new AppError('unsupported_media_type', 'YAML is not taken here'), undefined);
      const text = textOf(body as Buffer);
      done(text === null ? new AppError('validation', 'Validation error: the body is not UTF-8') : null, text);
    },
  );
  return adapter;
}

const requireTls: onRequestHookHandler = ({ protocol }, _reply, done) =>
  done(protocol === 'https' ? undefined : new AppError('permission_denied', 'This is served over TLS only'));

/** What the bytes say; null when they are not UTF-8. Nothing is replaced by U+FFFD. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** docs/claims.md rule 14: `/v1` may be called from any page, without credentials of the browser. `/api/v1` says nothing, so browsers refuse. */
function allowAnyOrigin(request: FastifyRequest, reply: FastifyReply): void {
  reply
    .header('access-control-allow-origin', '*')
    .header('access-control-expose-headers', 'retry-after, etag, idempotency-replayed, x-request-id');
  if (request.method !== 'OPTIONS') return;
  reply
    .header('access-control-allow-methods', 'GET, HEAD, PUT, POST, PATCH, DELETE')
    .header(
      'access-control-allow-headers',
      'authorization, content-type, x-api-key, x-csrf-token, if-match, idempotency-key',
    )
    .header('access-control-max-age', '86400');
}
