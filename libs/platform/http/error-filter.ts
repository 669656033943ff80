import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyReply } from 'fastify';
import { ERROR_STATUS, type ErrorCode } from '#contracts';
import type { GatehouseRequest } from '../access/route-access.js';
import { AppError, refusedMeanwhile, sqlState, unavailable } from '../errors.js';
import { takesCsr, takesDocument } from './route-placement.js';

const CODE_OF_STATUS = new Map<number, ErrorCode>([
  [400, 'validation'],
  [401, 'unauthenticated'],
  [403, 'permission_denied'],
  [404, 'not_found'],
  [405, 'method_not_allowed'],
  [408, 'timeout'],
  [409, 'conflict'],
  [412, 'precondition_failed'],
  [413, 'payload_too_large'],
  [415, 'unsupported_media_type'],
  [429, 'rate_limited'],
  [500, 'internal'],
  [503, 'shutting_down'],
]);

/** Text with NUL, or half of a surrogate pair in JSON: of a query or a path, since bodies are looked at when they are parsed. */
const UNSTORABLE = new Set(['22021', '22P05']);

/** Turns whatever was thrown into an AppError; anything unexpected is `internal`, its text stays in the log. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const passing = unavailable(error);
  if (passing) return passing;
  if (UNSTORABLE.has(sqlState(error) ?? ''))
    return new AppError('validation', 'Validation error: the request holds a character that cannot be stored');
  const refused = refusedMeanwhile(error);
  if (refused) return refused;
  const status =
    error instanceof HttpException ? error.getStatus() : ((error as { statusCode?: number }).statusCode ?? 500);
  const code = CODE_OF_STATUS.get(status);
  if (!code || code === 'internal') return new AppError('internal', 'An error occurred');
  return new AppError(code, (error as Error).message);
}

/** What is refused before it is read is said in a sentence: how large a body may be, and of which type. */
function inWords(error: AppError, request: GatehouseRequest): AppError {
  const { bodyLimit, config } = request.routeOptions ?? {};
  if (error.code === 'payload_too_large' && bodyLimit !== undefined)
    return new AppError(error.code, `The request body is too large: at most ${bodyLimit} bytes are read`);
  if (error.code !== 'unsupported_media_type') return error;
  const has = request.headers['content-type'] ? 'a Content-Type that is not taken here' : 'no Content-Type';
  const taken = takesCsr(config)
    ? 'PKCS#10 in base64 (application/pkcs10)'
    : takesDocument(config)
      ? 'JSON (application/json) or YAML (application/yaml)'
      : 'JSON (application/json)';
  return new AppError(error.code, `The body has ${has}: send ${taken}`);
}

/** The error envelope of docs/integration-api.md §1.3; `code` and `fields` are Gatehouse's additions. */
export function errorBody(error: AppError): Record<string, unknown> {
  if (error.details.body) return error.details.body;
  const { fields, data = null } = error.details;
  return {
    data,
    success: false,
    error: true,
    message: error.message,
    status: ERROR_STATUS[error.code],
    stack: null,
    code: error.code,
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
    const known = inWords(toAppError(error), request);
    if (known.code === 'internal')
      this.logger.error({ err: error, method: request.method, path: request.routeOptions?.url }, 'Unexpected error');
    if (reply.sent) return;
    if (known.details.retryAfter !== undefined)
      reply.header('retry-after', String(Math.max(1, Math.ceil(known.details.retryAfter))));
    this.host.httpAdapter.reply(reply, errorBody(known), known.status);
  }
}
