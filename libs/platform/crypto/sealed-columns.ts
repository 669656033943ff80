import type { EntityManager } from 'typeorm';
import { query } from '../database/db.js';
import { aboutKeyOf, type KeyRing, keyIdOf } from './key-ring.js';

/** Rows that are read, decrypted and written at a time: values have up to 64 KB. */
const PAGE = 200;

/** A column whose values `KeyRing` sealed. All but `what`, `table` and `column` are SQL of one row. */
export interface SealedColumn {
  /** What the values are, for people: `PSKs`. */
  what: string;
  table: string;
  column: string;
  /** The primary key, or one text that orders rows as it does. */
  id: { sql: string; type: 'bigint' | 'text'; first: string };
  /** How the row is called in a report. */
  name: string;
  /** What the value is bound to. */
  about: string;
  /** A column that is sealed by the key which this value wraps. */
  apart?: string;
}

/** Reads through `query` of a client or of TypeORM. */
export type Read = <Row extends object>(sql: string, values: unknown[]) => Promise<Row[]>;

export interface SealedRow {
  id: string;
  name: string;
  about: string;
  sealed: Buffer;
  apart: Buffer | null;
}

/** @returns the next rows with a value in the order of their ids; the last page has fewer than `size` */
export async function sealedRows(
  read: Read,
  { table, column, id, name, about, apart }: SealedColumn,
  after: string,
  { size = PAGE, notUnder }: { size?: number; notUnder?: Buffer } = {},
): Promise<{ rows: SealedRow[]; isLast: boolean }> {
  const rows = await read<SealedRow>(
    `SELECT (${id.sql})::text AS id, ${name} AS name, ${about} AS about, ${column} AS sealed, ${apart ?? 'NULL::bytea'} AS apart
     FROM ${table} WHERE ${column} IS NOT NULL AND ${id.sql} > $1::${id.type} AND ($2::bytea IS NULL OR substring(${column} from 1 for 4) <> $2)
     ORDER BY ${id.sql} LIMIT ${size}`,
    [after, notUnder ?? null],
  );
  return { rows, isLast: rows.length < size };
}

/**
 * Seals the next values anew that are not under the key which is written with. A value that somebody changed meanwhile stays as it is: it is new.
 * @returns how many, and after which row to go on; null after the last
 * @throws when one cannot be decrypted: it is to be mended before (`npm run admin -- check` names it)
 */
export async function resealPage(
  tx: EntityManager,
  keys: KeyRing,
  column: SealedColumn,
  after: string,
): Promise<{ done: number; after: string | null }> {
  const { rows, isLast } = await sealedRows((sql, values) => query(tx, sql, values), column, after, {
    notUnder: keyIdOf(keys.writesWith),
  });
  const anew = rows.map(({ name, about: ofValue, sealed }) => {
    const about = column.apart ? aboutKeyOf(ofValue) : ofValue;
    try {
      return keys.encrypt(keys.decrypt(sealed, about), about);
    } catch (error) {
      throw new Error(`${column.what}: ${name} cannot be decrypted`, { cause: error });
    }
  });
  if (rows.length > 0) {
    await query(
      tx,
      `UPDATE ${column.table} SET ${column.column} = n.sealed
       FROM unnest($1::${column.id.type}[], $2::bytea[], $3::bytea[]) AS n(id, before, sealed)
       WHERE ${column.id.sql} = n.id AND ${column.column} = n.before`,
      [rows.map(({ id }) => id), rows.map(({ sealed }) => sealed), anew],
    );
  }
  return { done: rows.length, after: isLast ? null : rows.at(-1)!.id };
}

/** @returns how many values are under another key than this one. */
export async function countUnderOthers(em: EntityManager, column: SealedColumn, fingerprint: string): Promise<number> {
  const [row] = await query<{ n: number }>(
    em,
    `SELECT count(*)::int AS n FROM ${column.table} WHERE ${column.column} IS NOT NULL AND substring(${column.column} from 1 for 4) <> $1`,
    [keyIdOf(fingerprint)],
  );
  return row!.n;
}
