import { type ArgumentsHost, type CallHandler, Catch, type ExceptionFilter, type ExecutionContext, HttpException, Injectable, Logger, type NestInterceptor, ValidationPipe } from '@nestjs/common';
import { HttpAdapterHost, Reflector } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { ValidationError } from 'class-validator';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { map, type Observable } from 'rxjs';
import { ERROR_STATUS, type ErrorCode } from '../contracts/errors.js';
import type { GatehouseRequest } from './access.js';
import { ANSWER, Answer, type AnswerOptions } from './answers.js';
import { AppError, databaseAway, isDatabaseAway } from './errors.js';

const BODY_LIMIT = 1024 * 1024;

const CODE_OF_STATUS = new Map<number, ErrorCode>([
  [400, 'validation'], [401, 'unauthenticated'], [403, 'permission_denied'], [404, 'not_found'], [405, 'method_not_allowed'], [408, 'timeout'],
  [409, 'conflict'], [412, 'precondition_failed'], [413, 'payload_too_large'], [415, 'unsupported_media_type'], [429, 'rate_limited'], [500, 'internal'],
  [503, 'shutting_down'],
]);

/**
 * The HTTP layer below Nest: one port serves `/api/v1` and, rewritten onto it, `/v1` (integration-api.md, reading rules).
 * `https` is the TLS key pair, when there is one.
 */
export function createAdapter(options: { trustProxy: boolean | string | string[]; https?: { cert: Buffer; key: Buffer } }): FastifyAdapter {
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT,
    trustProxy: options.trustProxy,
    routerOptions: { maxParamLength: 1024 },
    requestTimeout: 60_000,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    genReqId: () => '',
    ...(options.https ? { https: options.https } : {}),
    rewriteUrl: (raw: { url?: string }) => {
      const url = raw.url ?? '/';
      if (url === '/v1' || url.startsWith('/v1/') || url.startsWith('/v1?')) return `/api${url}`;
      return url;
    },
  } as never);
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  fastify.decorateRequest('arrivedAt', 0);
  fastify.addHook('onRequest', (request, _reply, done) => {
    const r = request as GatehouseRequest;
    r.arrivedAt = performance.now();
    r.viaIntegration = request.originalUrl.startsWith('/v1');
    done();
  });
  // An empty body with a JSON content type is a request without a body.
  fastify.removeContentTypeParser('application/json');
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined);
    return parse(request, body as string, done);
  });
  return adapter;
}

/** Turns whatever was thrown into an AppError; anything unexpected is `internal`, its text stays in the log. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (isDatabaseAway(error)) return databaseAway();
  const status = error instanceof HttpException ? error.getStatus() : ((error as { statusCode?: number }).statusCode ?? 500);
  const code = CODE_OF_STATUS.get(status);
  if (!code || code === 'internal') return new AppError('internal', 'An error occurred');
  return new AppError(code, (error as Error).message);
}

/** The error envelope of integration-api.md §1.3; `code` and `fields` are Gatehouse's additions. */
export function errorBody(error: AppError): Record<string, unknown> {
  if (error.details.body) return error.details.body;
  const { fields } = error.details;
  return {
    data: null, success: false, error: true, message: error.message, status: ERROR_STATUS[error.code], stack: null, code: error.code,
    ...(fields ? { fields } : {}),
  };
}

/** The one HTTP filter: every error leaves here, those that Fastify raised before a controller too. */
@Catch()
export class HttpErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  constructor(private readonly host: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    if (host.getType() !== 'http') return;
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const request = host.switchToHttp().getRequest<GatehouseRequest>();
    const known = toAppError(error);
    if (known.code === 'internal') this.logger.error({ err: error, method: request.method, path: request.routeOptions?.url }, 'Unexpected error');
    if (reply.sent) return;
    if (known.details.retryAfter !== undefined) reply.header('retry-after', String(Math.max(1, Math.ceil(known.details.retryAfter))));
    this.host.httpAdapter.reply(reply, errorBody(known), known.status);
  }
}

/** Wraps what a handler returns in the success envelope (integration-api.md §1.2), as the route's `Returns` declares. */
@Injectable()
export class EnvelopeInterceptor implements NestInterceptor {
  constructor(private readonly reflector: Reflector) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const declared = this.reflector.get<AnswerOptions | undefined>(ANSWER, context.getHandler());
    if (!declared) return next.handle();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(
      map((result: unknown) => {
        const own = result instanceof Answer ? result : undefined;
        const data = own ? own.data : result;
        const status = own?.options.status ?? declared.status ?? 200;
        reply.status(status);
        if (declared.bare) return data;
        return { data: data ?? null, success: true, error: false, message: own?.options.message ?? declared.message, status };
      }),
    );
  }
}

function problems(errors: ValidationError[], prefix = ''): { path: string; problem: string }[] {
  return errors.flatMap((e) => {
    const path = prefix ? `${prefix}.${e.property}` : e.property;
    const own = Object.entries(e.constraints ?? {}).map(([rule, text]) => ({
      path,
      problem: rule === 'whitelistValidation' ? `Unrecognized key "${e.property}"` : text,
    }));
    return [...own, ...problems(e.children ?? [], path)];
  });
}

/** Strict bodies and queries: an unknown key is an error, and every problem names its field. */
export const validationPipe = () =>
  new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    stopAtFirstError: true,
    exceptionFactory: (errors) => {
      const fields = problems(errors);
      return new AppError('validation', `Validation error: ${fields.map((f) => `${f.problem} at "${f.path}"`).join('; ')}`, { fields });
    },
  });
