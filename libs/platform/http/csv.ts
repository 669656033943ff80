/** RFC 4180 §2. */
export const CSV_LINE_END = '\r\n';

/** What spreadsheets take for the beginning of a formula, or for the end of the cell before it: names and labels come from strangers. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;
const QUOTED = /[",\r\n]/;

/**
 * A value as a cell of CSV: nothing for null, an instant in ISO 8601, lists and objects as JSON. Text that a spreadsheet would calculate gets
 * an apostrophe before it; numbers are numbers.
 */
export function cellOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : value instanceof Date ? value.toISOString() : JSON.stringify(value);
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
