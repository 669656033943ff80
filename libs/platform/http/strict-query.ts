import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { Reflector } from '@nestjs/core';
import type { Observable } from 'rxjs';
import { type GatehouseRequest, ROUTE_SCOPE, type RouteScope } from '../access/route-access.js';
import { invalidFields } from '../errors.js';

/** A route that takes no query refuses one, as the DTOs of the others refuse what they do not know. Public routes take anything. */
@Injectable()
export class StrictQueryInterceptor implements NestInterceptor {
  private readonly takesQuery = new Map<unknown, boolean>();

  constructor(private readonly reflector: Reflector) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() === 'http') this.check(context);
    return next.handle();
  }

  private check(context: ExecutionContext): void {
    const names = Object.keys(context.switchToHttp().getRequest<GatehouseRequest>().query as object);
    const handler = context.getHandler();
    if (names.length === 0 || this.reflector.get<RouteScope | undefined>(ROUTE_SCOPE, handler)?.kind === 'public')
      return;
    let takes = this.takesQuery.get(handler);
    if (takes === undefined) {
      const args = (Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), handler.name) ?? {}) as Record<
        string,
        unknown
      >;
      takes = Object.keys(args).some((key) => key.startsWith(`${RouteParamtypes.QUERY}:`));
      this.takesQuery.set(handler, takes);
    }
    if (takes) return;
    throw invalidFields(names.map((path) => ({ path, problem: 'Unrecognized query parameter' })));
  }
}
