import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  StreamableFile,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply } from 'fastify';
import { map, type Observable } from 'rxjs';
import type { GatehouseRequest } from '../access/route-access.js';
import { ApiResult, RESPONSE, type ResponseOptions } from './api-responses.js';
import { entityTag } from './entity-tags.js';
import { takeExportFormat } from './exports.js';

/** Wraps what a handler returns in the success envelope (docs/integration-api.md §1.2), as the route's `Returns` declares; an export goes as it is. */
@Injectable()
export class EnvelopeInterceptor implements NestInterceptor {
  constructor(private readonly reflector: Reflector) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const declared = this.reflector.get<ResponseOptions | undefined>(RESPONSE, context.getHandler());
    if (!declared) return next.handle();
    if (declared.exports) {
      const request = context.switchToHttp().getRequest<GatehouseRequest>();
      const format = takeExportFormat(request);
      if (format) request.exportAs = format;
    }
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(
      map((result: unknown) => {
        if (result instanceof StreamableFile) return result;
        const own = result instanceof ApiResult ? result : undefined;
        const data = own ? own.data : result;
        const status = own?.options.status ?? declared.status ?? 200;
        reply.status(status);
        if (own?.options.version !== undefined) reply.header('etag', entityTag(own.options.version));
        if (declared.bare) return data;
        return {
          data: data ?? null,
          success: true,
          error: false,
          message: own?.options.message ?? declared.message,
          status,
        };
      }),
    );
  }
}
