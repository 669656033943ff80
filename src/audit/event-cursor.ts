import { invalid } from '#platform';

/** A place in the feed, which is ordered by transaction and then by id (ADR 0006). */
export interface Position {
  txid: bigint;
  id: number;
}

/** Before everything. */
export const BEGINNING: Position = { txid: 0n, id: 0 };

/** Asked for in place of a cursor: what comes from here on. */
export const NOW = 'now';

export const isAfter = (a: Position, b: Position): boolean => (a.txid === b.txid ? a.id > b.id : a.txid > b.txid);

/** What readers get to see of a position. */
export const formatCursor = ({ txid, id }: Position): string => Buffer.from(`${txid}.${id}`).toString('base64url');

/** @throws validation for what `formatCursor` did not make. */
export function parseCursor(cursor: string): Position {
  const [, txid, id] = /^(\d{1,19})\.(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (!txid || !id) throw invalid('after', 'is not a cursor of this feed');
  return { txid: BigInt(txid), id: Number(id) };
}
