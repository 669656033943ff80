import pg from 'pg';

/**
 * In every value that a test stores as a secret, so that one search finds them all. Letters and digits: JSON, YAML, a shell and a URL leave it as
 * it is.
 */
const MARK = 'StoredSecretQ7x';

/** A value for a test to store as a secret. */
export const secretValue = (text = 'value'): string => `${MARK} ${text}`;

/** Every value is to be one that the search finds. @throws for one that holds no mark */
export function requireMark(value: string | Buffer): void {
  if (!value.includes(MARK)) throw new Error('A value that a test stores as a secret is made by secretValue()');
}

/** Throws when a request stores a value without the mark. What is written by hand as text (hostile bodies) is not looked at. */
export function requireMarkIn(method: string, path: string, body: unknown): void {
  const stores = method === 'PUT' ? /\/org\/[^/]+\/secret(\?|$)/ : /\/org\/[^/]+\/secret\/[^/]+\/version(\?|$)/;
  if ((method !== 'PUT' && method !== 'POST') || !stores.test(path) || typeof body !== 'object') return;
  const { value, encoding } = body as { value: string; encoding?: string };
  requireMark(encoding === 'base64' ? Buffer.from(value, 'base64') : value);
}

/** The mark as it is within longer bytes that are written in base64: at each of three places, without what its neighbours decide. */
const inBase64 = (text: string): string[] =>
  [0, 1, 2].flatMap((before) => {
    const written = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]).toString('base64');
    const whole = written.slice(Math.ceil((before * 8) / 6), Math.floor(((before + text.length) * 8) / 6));
    return [whole, whole.replaceAll('+', '-').replaceAll('/', '_')];
  });

const inHex = (text: string): string[] => {
  const hex = Buffer.from(text).toString('hex');
  return [hex, hex.toUpperCase()];
};

const SPELLINGS: readonly string[] = [
  ...new Set(
    [MARK, ...inBase64(MARK)].flatMap((text) => [
      text,
      // A filter `base64` within a statement, and what PostgreSQL shows of bytea.
      ...inBase64(text),
      ...inHex(text),
    ]),
  ),
  ...inHex(MARK).flatMap((hex) => ['%', '\\u00', '\\x'].map((sign) => hex.replace(/../g, (byte) => sign + byte))),
];

/** @returns where a value of a secret is told, with what stands around it */
export function traceIn(text: string): string | undefined {
  for (const spelling of SPELLINGS) {
    const at = text.indexOf(spelling);
    if (at < 0) continue;
    const line = text.lastIndexOf('\n', at) + 1;
    // The beginning of the line says what it is: the name of a table, or when it was logged.
    return `${text.slice(line, Math.min(line + 100, at))}…${text.slice(Math.max(line, at - 100), at + spelling.length + 40)}`;
  }
  return undefined;
}

/** @throws when `text` tells the value of a secret, in any spelling */
export function expectNoTrace(where: string, text: string): void {
  const trace = traceIn(text);
  if (trace !== undefined) throw new Error(`The value of a secret is in ${where}: ${trace}`);
}

/** Rows that are looked at together. */
const ROWS = 5_000;

/** Searches every row of every table, as text. @throws when one tells the value of a secret; ends all other connections before */
export async function expectNoTraceInDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
       WHERE relkind IN ('r', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg_toast%'`,
    );
    if (tables.length === 0) return;
    const all = tables.map(({ name }) => `SELECT ${pg.escapeLiteral(name)} || ': ' || t::text AS row FROM ${name} t`);
    await client.query(`BEGIN; DECLARE everything NO SCROLL CURSOR FOR ${all.join(' UNION ALL ')}`);
    for (let more = true; more; ) {
      const { rows } = await client.query<{ row: string }>(`FETCH ${ROWS} FROM everything`);
      expectNoTrace('a table', rows.map(({ row }) => row).join('\n'));
      more = rows.length === ROWS;
    }
  } finally {
    await client.end();
  }
}
