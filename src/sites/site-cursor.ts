import { invalid } from '#platform';
import type { ListSitesQuery } from './sites.dto.js';

/** Behind which row of a list a page begins: the value that it is sorted by, as PostgreSQL writes it, and its site. */
export interface Cursor {
  value: string;
  siteId: number;
}

type Order = Pick<ListSitesQuery, 'sort_by' | 'order'>;
const nameOf = ({ sort_by, order }: Order) => `${sort_by ?? 'name'} ${order ?? 'asc'}`;

/** @returns a row's place in a list of this order, opaque to clients. */
export const cursorOf = (order: Order, value: string, siteId: number): string =>
  Buffer.from(JSON.stringify([nameOf(order), value, siteId])).toString('base64url');

/** @throws validation for a cursor that no list in this order answered. */
export function parseCursor(order: Order, cursor: string): Cursor {
  const [name, value, siteId] = parts(cursor);
  if (name !== nameOf(order) || typeof value !== 'string' || !Number.isSafeInteger(siteId))
    throw invalid('cursor', 'is not the `next` of a list of sites in this order');
  return { value, siteId: siteId as number };
}

function parts(cursor: string): unknown[] {
  try {
    const read: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(read) ? read : [];
  } catch {
    return [];
  }
}
