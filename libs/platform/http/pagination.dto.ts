import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { invalid } from '../errors.js';
import { MayBeAbsent } from './validators.js';

const MAX_PAGE = 1000;
/** Clients that want everything ask for as much: they get the largest page, which says what it is. */
const MAX_ASKED = 1_000_000_000;

/** A query value as a whole number; anything else stays as it is and fails validation, never a silent default. */
export const QueryInt = (min: number, max: number) =>
  applyDecorators(
    Transform(({ value }) => (typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value), {
      toClassOnly: true,
    }),
    MayBeAbsent(),
    IsInt(),
    Min(min),
    Max(max),
    ApiPropertyOptional({ type: 'integer', minimum: min, maximum: max }),
  );

/** A query value `true` or `false`. */
export const QueryBoolean = () =>
  applyDecorators(
    Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : value), { toClassOnly: true }),
    MayBeAbsent(),
    IsIn([true, false]),
    ApiPropertyOptional({ type: 'boolean' }),
  );

/** Every list takes both pairs and answers in its own shape; both at once is an error (docs/integration-api.md §1.4). */
export class PageQuery {
  /** At most 1,000 rows are answered, whatever is asked for; `pagination` says how many a page has. */
  @QueryInt(1, MAX_ASKED) limit?: number;
  @QueryInt(0, 1_000_000_000) offset?: number;
  /** 0 is the first page too. */
  @QueryInt(0, 1_000_000_000) page?: number;
  /** At most 1,000 rows are answered, whatever is asked for; `pagination` says how many a page has. */
  @QueryInt(1, MAX_ASKED) pageSize?: number;
}

/** Shape B adds search and order. */
export class SearchQuery extends PageQuery {
  /** Substring, any case. */
  @IsOptional() @IsString() @MaxLength(255) query?: string;
  @IsOptional() @IsIn(['asc', 'desc']) order?: 'asc' | 'desc';
}

export interface Window {
  limit: number;
  offset: number;
}

/**
 * Reads whichever pair was given; when none was, the list is whole as far as a page goes, since most clients never ask for another.
 * `defaultSize`: 1000 for shape A and 20 for shape B; `most`: what a page holds, whatever is asked for. @throws validation when both were.
 */
export function windowOf(query: PageQuery, defaultSize: number, most = MAX_PAGE): Window {
  const paged = query.page !== undefined || query.pageSize !== undefined;
  if (paged && (query.limit !== undefined || query.offset !== undefined))
    throw invalid('page', 'give page and pageSize, or limit and offset, not both');
  if (!paged && query.limit === undefined && query.offset === undefined) return { limit: most, offset: 0 };
  if (!paged) return { limit: Math.min(query.limit ?? defaultSize, most), offset: query.offset ?? 0 };
  const limit = Math.min(query.pageSize ?? defaultSize, most);
  return { limit, offset: (Math.max(query.page ?? 1, 1) - 1) * limit };
}

/** Of lists that are whole unless a page is asked for: null for the whole. @throws as `windowOf` */
export const windowIfAsked = (query: PageQuery): Window | null =>
  Object.values(query).some((value) => value !== undefined) ? windowOf(query, MAX_PAGE, MAX_ASKED) : null;

/** Values of `LIMIT` and `OFFSET`; null is all of it. */
export const limitsOf = (window: Window | null): [number | null, number] => [
  window?.limit ?? null,
  window?.offset ?? 0,
];

/** Pagination of shape A. */
export class OffsetPagination {
  total: number;
  limit: number;
  offset: number;
}

/** Pagination of shape B. */
export class PagePagination {
  total: number;
  pageSize: number;
  page: number;
}

export const shapeA = (total: number, w: Window): OffsetPagination => ({ total, limit: w.limit, offset: w.offset });
export const shapeB = (total: number, w: Window): PagePagination => ({
  total,
  pageSize: w.limit,
  page: Math.floor(w.offset / w.limit) + 1,
});

/** Escapes a user's text for use inside LIKE. */
export const likeEscape = (text: string) => text.replace(/[\\%_]/g, '\\$&');
