/**
 * The ids of one page by name, as an expression: cut out of the indexes alone, before rows are fetched and joined, so that what is skipped is
 * never looked at. As an array, because a plan for any limit takes that for few rows. Each arm is a condition on `r` with an index of its
 * own, and no row fulfils two; `limit` and `offset` are parameters.
 */
export function pageOfIds(
  table: string,
  id: string,
  arms: string[],
  direction: 'ASC' | 'DESC',
  limit: string,
  offset: string,
): string {
  const order = `ORDER BY r.name ${direction}, r.${id} ${direction}`;
  if (arms.length === 1)
    return `ARRAY(SELECT r.${id} FROM ${table} r WHERE ${arms[0]} ${order} LIMIT ${limit} OFFSET ${offset})`;
  const heads = arms.map(
    (where) =>
      `(SELECT r.${id}, r.name FROM ${table} r WHERE ${where} ${order} LIMIT ${limit}::bigint + ${offset}::bigint)`,
  );
  return `ARRAY(SELECT r.${id} FROM (${heads.join(' UNION ALL ')}) r ${order} LIMIT ${limit} OFFSET ${offset})`;
}

/** Likewise the ids of what follows an id, by id; `after` and `limit` are parameters. */
export function idsBehind(table: string, id: string, arms: string[], after: string, limit: string): string {
  const heads = arms.map(
    (where) => `(SELECT r.${id} FROM ${table} r WHERE ${where} AND r.${id} > ${after} ORDER BY r.${id} LIMIT ${limit})`,
  );
  return `ARRAY(SELECT h.${id} FROM (${heads.join(' UNION ALL ')}) h ORDER BY h.${id} LIMIT ${limit})`;
}

/** How many rows the arms have together. */
export const countOf = (table: string, arms: string[]): string =>
  `SELECT ${arms.map((where) => `(SELECT count(*) FROM ${table} r WHERE ${where})`).join(' + ')} AS n`;
