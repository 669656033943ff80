import { clientOptions, DatabaseClient, SESSION_SETTINGS } from '#platform';
import { checkRows } from './rows-check.js';

/** Connections of one server process beside its pool: health, notices, the proof that these arrive. */
const BESIDE_POOL = 3;
/** PostgreSQL applies these to TCP connections only. */
const TCP_ONLY = /^tcp_/;

interface Facts {
  version: string;
  database: string;
  role: string;
  schema: string;
  superuser: boolean;
  tls: string | null;
  max_connections: number;
  connections: number;
  settings: Record<string, string>;
}

const FACTS = `
SELECT current_setting('server_version') AS version, current_database()::text AS database, current_user::text AS role, current_schema()::text AS schema,
  current_setting('is_superuser') = 'on' AS superuser, (SELECT s.version FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid() AND s.ssl) AS tls,
  current_setting('max_connections')::int AS max_connections, (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
  (SELECT jsonb_object_agg(name, setting) FROM pg_settings) AS settings`;

/**
 * What an operator wants to know of the database of a URL that `checkDatabase` passed, what of it this server cannot set by itself, and, once the
 * schema is up to date, which rows are not as they must be.
 * Changes nothing. @returns lines to print, and whether all is well.
 */
export async function reportDatabase(
  url: string,
  poolSize: number,
  migrations: number,
  masterKeys: readonly Buffer[],
): Promise<{ text: string; sound: boolean }> {
  const client = new DatabaseClient(clientOptions(url, 'gatehouse-check'));
  await client.connect();
  try {
    const facts = (await client.query<Facts>(FACTS)).rows[0]!;
    const known = (await client.query<{ there: boolean }>(`SELECT to_regclass('migrations') IS NOT NULL AS there`))
      .rows[0]!.there;
    const migrated = known
      ? (await client.query<{ n: number }>('SELECT count(*)::int AS n FROM migrations')).rows[0]!.n
      : null;
    const settings = problemsOf(facts, poolSize);
    const rows = migrated === migrations ? await checkRows(client, masterKeys) : [];
    const lines: [name: string, value: string, problems?: string[]][] = [
      ['PostgreSQL', `${facts.version}, database ${facts.database}, role ${facts.role}, schema ${facts.schema}`],
      ['Connection', `${facts.tls ?? 'no TLS'}, direct or pooled per session: notices arrive`],
      [
        'Schema',
        migrated === null
          ? 'not made yet; the first start makes it'
          : migrated < migrations
            ? `${migrations - migrated} migrations to run at the next start`
            : 'up to date',
      ],
      ['Connections', `${facts.connections} of ${facts.max_connections} in use`],
      ['Settings', settings.length === 0 ? 'as the server needs them' : `${settings.length} to mend:`, settings],
      [
        'Rows',
        migrated !== migrations
          ? 'not looked at before the schema is up to date'
          : rows.length === 0
            ? 'owners, counts and encryption are right'
            : `${rows.length} kinds of trouble:`,
        rows,
      ],
    ];
    const text = lines
      .flatMap(([name, value, problems = []]) => [
        `${name.padEnd(13)}${value}`,
        ...problems.map((problem) => `  ${problem}`),
      ])
      .join('\n');
    return { text: `${text}\n`, sound: settings.length + rows.length === 0 };
  } finally {
    await client.end();
  }
}

function problemsOf({ settings, superuser, role, max_connections: most }: Facts, poolSize: number): string[] {
  const problems: string[] = [];
  for (const [name, wanted] of Object.entries(SESSION_SETTINGS)) {
    const found = settings[name];
    if (found === undefined || TCP_ONLY.test(name) || found === wanted) continue;
    // Every English answer is as good as the untranslated one.
    if (name === 'lc_messages' && /^(|C|POSIX|en)(\b|_)/i.test(found)) continue;
    const mend = superuser ? '' : `; as a superuser: ALTER ROLE "${role}" SET ${name} = '${wanted}'`;
    problems.push(`${name} is ${found}, and this role may not set it to ${wanted}${mend}`);
  }
  for (const name of ['fsync', 'full_page_writes'])
    if (settings[name] === 'off')
      problems.push(`${name} is off: a crash of the machine may lose or tear what was committed; set it to on`);
  if (settings['synchronous_commit'] === 'local')
    problems.push('synchronous_commit is local: a standby that takes over may lack what was committed');
  if (settings['session_replication_role'] !== 'origin')
    problems.push(
      `session_replication_role is ${settings['session_replication_role']}: triggers do not run; set it to origin`,
    );
  if (most < poolSize + BESIDE_POOL)
    problems.push(
      `max_connections is ${most}, but one server needs ${poolSize + BESIDE_POOL} (DATABASE_POOL_SIZE and ${BESIDE_POOL}); raise one or lower the other`,
    );
  return problems;
}
