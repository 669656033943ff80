import type { Versioned } from './types';

/** Headers of a change that is to be refused when somebody else changed the object since it was read. */
export const ifMatch = (read: Versioned): Record<string, string> =>
  read.$etag === undefined ? {} : { 'If-Match': read.$etag };

export interface Change {
  field: string;
  before: unknown;
  now: unknown;
}

/** What differs between an object as it was read and as it is now, for those fields. */
export function changesBetween<T extends object>(before: T, now: T, fields: readonly (keyof T & string)[]): Change[] {
  return fields
    .filter((field) => JSON.stringify(before[field]) !== JSON.stringify(now[field]))
    .map((field) => ({ field, before: before[field], now: now[field] }));
}

/**
 * One key for one intention: sent again after a failure nobody knows the end of, it makes nothing twice (docs/integration-api.md).
 * `crypto.randomUUID` is not there over plain HTTP.
 */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
