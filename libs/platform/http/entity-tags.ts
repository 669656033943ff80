import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { GatehouseRequest } from '../access/route-access.js';
import { AppError } from '../errors.js';
import { ApiResult, ErrorResponses } from './api-responses.js';

/** Objects that clients change have a `version` column, which triggers count; their ETag is that version (RFC 9110 §8.8.3). */
export const entityTag = (version: number) => `"${version}"`;

/** On a route that changes an object: documents `If-Match` and its 412. The handler takes it by `IfMatch`. */
export const ChecksVersion = () =>
  applyDecorators(
    ApiHeader({
      name: 'If-Match',
      required: false,
      description: 'The ETag that was read; 412 when the object changed since',
      schema: { type: 'string' },
    }),
    ErrorResponses(412),
  );

/**
 * Parameter: the version that the caller read, for `WHERE version = …` of the update; undefined when there is no such header (or says `*`).
 * Of a list the first counts. A tag that was never issued is -1, which no object has.
 */
export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): number | undefined => {
  const header = context.switchToHttp().getRequest<GatehouseRequest>().headers['if-match'];
  if (header === undefined || header.trim() === '*') return undefined;
  const version = /^\s*(?:W\/)?"(\d{1,15})"/.exec(header)?.[1];
  return version === undefined ? -1 : Number(version);
});

/** The result of a transaction that made an object: a new row has the default of its `version` column, and nothing has changed it yet. */
export const created = <T>(object: T): ApiResult<T> => new ApiResult(object, { version: 1 });

/** @throws precondition_failed when the caller read another version than there is. For rows that the transaction holds locked. */
export function requireVersion(what: string, ifMatch: number | undefined, version: number): void {
  if (ifMatch !== undefined && ifMatch !== version)
    throw new AppError('precondition_failed', `${what} was changed meanwhile; read it again`);
}
