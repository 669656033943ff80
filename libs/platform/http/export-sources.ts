import type { EntityManager } from 'typeorm';
import { query } from '../database/db.js';
import type { Columns, ExportSource } from './exports.js';

interface Statement<Row, Name extends keyof Row> {
  name: string;
  columns: Columns<Row>;
  /** The columns that a row is known by, unique and of the row for good. */
  by: readonly [Name, ...Name[]];
  /** The rows of the list, each with at least the columns, in no order. */
  rows: string;
  values: unknown[];
}

/** A list that is one statement, as an export reads it: a page is what lies behind the last row of the one before. */
export function exportOfRows<Row extends object, Name extends keyof Row & string>(
  em: EntityManager,
  { name, columns, by, rows, values }: Statement<Row, Name>,
): ExportSource<Row, unknown[]> {
  const quoted = (names: readonly string[]) => names.map((column) => `"${column}"`).join(', ');
  const keys = quoted(by);
  const text = (behind: string) =>
    `SELECT ${quoted(Object.keys(columns))} FROM (${rows}) AS list ${behind} ORDER BY ${keys} LIMIT $${values.length + 1}`;
  const last = by.map((_, n) => `$${values.length + 2 + n}`).join(', ');
  return {
    name,
    columns,
    page: (after, limit) =>
      after
        ? query<Row>(em, text(`WHERE (${keys}) > (${last})`), [...values, limit, ...after])
        : query<Row>(em, text(''), [...values, limit]),
    keyOf: (row) => by.map((column) => row[column]),
  };
}
