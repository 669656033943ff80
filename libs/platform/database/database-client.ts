import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { parse } from 'pg-connection-string';
import { streamOf } from './pg-internals.js';

// int8 as number: ids and counters stay far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** A value of DATABASE_URL that no connection can be made with. The message is one sentence and never repeats the URL, which holds a password. */
export class DatabaseUrlError extends Error {
  override readonly name = 'DatabaseUrlError';
}

/**
 * What the code relies on, whatever a database, a role or a managed server has set otherwise. Estimates of a table that was empty a minute
 * ago make just-in-time compilation cost more than the statement; the driver reads dates and bytes in one form only.
 */
export const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  jit: 'off',
  plan_cache_mode: 'auto',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  row_security: 'on',
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
  idle_session_timeout: '0',
  // Superusers only: what a foreign key refused is read from the text of the message.
  lc_messages: 'C',
  // Of a role without a limit of its own; `clientOptions` sets the server's.
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  transaction_timeout: '0',
  // A peer that no longer acknowledges is gone; without it PostgreSQL keeps its locks until TCP gives up, a quarter of an hour.
  tcp_user_timeout: '10000',
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
};

const SUPERUSER_SETTINGS = ['lc_messages'];

/**
 * The schema is pinned to the one where our tables are, by the search path that the role came with: a schema made later, named like the role,
 * must not be looked at first. Settings that this PostgreSQL does not know are left out. `synchronous_commit` is only ever raised.
 */
const PREPARE_SESSION = `
SELECT set_config(s.name, s.value, false) FROM unnest($1::text[], $2::text[]) AS s (name, value)
WHERE current_setting(s.name, true) IS NOT NULL AND (s.name <> ALL ($3::text[]) OR current_setting('is_superuser') = 'on')
UNION ALL SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
UNION ALL SELECT set_config('search_path', quote_ident(coalesce(
  (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('site_credential')),
  current_schema(), 'public')), false)`;

export interface ClientOptions extends pg.ClientConfig {
  connectionString: string;
  /** PostgreSQL settings of this connection, over SESSION_SETTINGS. */
  settings?: Record<string, string>;
}

/** @returns options of a connection named `applicationName`, as pg_stat_activity shows it, to the database of `url`. */
export function clientOptions(
  url: string,
  applicationName: string,
  settings: Record<string, string> = {},
): ClientOptions {
  return {
    connectionString: url,
    application_name: applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    settings,
  };
}

/** A connection to PostgreSQL: the only kind that the server makes, pooled or of its own. */
export class DatabaseClient extends pg.Client {
  private readonly settings: Record<string, string>;

  constructor(options: ClientOptions) {
    super({ ...options, ...connectionOf(options.connectionString), connectionString: undefined } as pg.ClientConfig);
    this.settings = { ...SESSION_SETTINGS, ...options.settings };
    // An error without a listener ends the process, and between a pool's release and its next taker nobody else listens.
    this.on('error', () => undefined);
  }

  override connect(): Promise<this>;
  override connect(callback: (error: Error | null) => void): void;
  override connect(callback?: (error: Error | null) => void): Promise<this> | void {
    const connected = this.connectAndPrepare();
    if (!callback) return connected;
    connected.then(() => callback(null), callback);
  }

  /** Cuts the connection now: one that hangs would not answer a farewell. */
  destroy(): void {
    streamOf(this).destroy();
  }

  private async connectAndPrepare(): Promise<this> {
    await super.connect();
    try {
      await this.query(PREPARE_SESSION, [Object.keys(this.settings), Object.values(this.settings), SUPERUSER_SETTINGS]);
    } catch (error) {
      this.destroy();
      throw error;
    }
    return this;
  }
}

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];

interface Transport {
  mode: string;
  rootCertificate: string | undefined;
}

/** `sslmode` and `sslrootcert` as libpq reads them (PostgreSQL documentation, "SSL Support"); PGSSLMODE where the URL says nothing. */
function transportOf(url: URL): Transport {
  const given = url.searchParams.get('sslmode') ?? process.env['PGSSLMODE'] ?? 'disable';
  // The driver's own word for what libpq calls `require`.
  const mode = given === 'no-verify' ? 'require' : given;
  if (!MODES.includes(mode))
    throw new DatabaseUrlError(`DATABASE_URL: sslmode must be one of ${MODES.join(', ')}, not ${given}.`);
  // libpq does no TLS over a Unix socket, whatever the mode.
  if ((url.searchParams.get('host') ?? decodeURIComponent(url.hostname)).startsWith('/'))
    return { mode: 'disable', rootCertificate: undefined };
  const named = url.searchParams.get('sslrootcert') ?? process.env['PGSSLROOTCERT'] ?? undefined;
  const usual = join(homedir(), '.postgresql', 'root.crt');
  const rootCertificate = named ?? (existsSync(usual) ? usual : undefined);
  if (rootCertificate === 'system') {
    if (mode !== 'verify-full')
      throw new DatabaseUrlError('DATABASE_URL: sslrootcert=system needs sslmode=verify-full.');
    return { mode, rootCertificate: undefined };
  }
  if (mode === 'verify-ca' && rootCertificate === undefined) {
    throw new DatabaseUrlError(
      'DATABASE_URL: sslmode=verify-ca needs sslrootcert, the file with the certificate of the authority to trust.',
    );
  }
  return { mode, rootCertificate };
}

function connectionOf(connectionString: string): pg.ClientConfig {
  const url = urlOf(connectionString);
  const { mode, rootCertificate } = transportOf(url);
  for (const name of ['sslmode', 'sslrootcert', 'uselibpqcompat']) url.searchParams.delete(name);
  // What is left of TLS in the URL are a client's own certificate and key.
  if (mode === 'disable') for (const name of ['sslcert', 'sslkey']) url.searchParams.delete(name);
  else url.searchParams.set('sslmode', mode === 'allow' ? 'prefer' : mode);
  if (mode !== 'disable' && rootCertificate !== undefined) url.searchParams.set('sslrootcert', rootCertificate);
  try {
    const parsed = parse(url.href, { useLibpqCompat: true });
    return {
      ...parsed,
      ssl: parsed.ssl ?? false,
      port: parsed.port ? Number(parsed.port) : undefined,
    } as pg.ClientConfig;
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code !== undefined && path !== undefined)
      throw new DatabaseUrlError(`DATABASE_URL: ${path} cannot be read (${code}).`);
    throw new DatabaseUrlError(`DATABASE_URL: ${(error as Error).message}.`);
  }
}

function urlOf(connectionString: string): URL {
  try {
    return new URL(connectionString);
  } catch {
    throw new DatabaseUrlError(
      'DATABASE_URL is not a valid URL; it looks like postgres://user:password@host:5432/database.',
    );
  }
}

/** What PostgreSQL says of a connection that is encrypted, or is not, against its pg_hba.conf. */
const REFUSED_SO = '28000';

/**
 * `sslmode=prefer` and `allow` leave it to the server whether a connection is encrypted; the driver cannot try twice. Asked once, at boot.
 * @returns the URL with the mode that works, `require` or `disable`; unchanged for any other mode.
 * @throws what the first attempt failed with, when neither works.
 */
export async function settleTransport(connectionString: string): Promise<string> {
  const url = urlOf(connectionString);
  const { mode } = transportOf(url);
  if (mode !== 'prefer' && mode !== 'allow') return connectionString;
  const [first, second] = (mode === 'prefer' ? ['require', 'disable'] : ['disable', 'require']).map((tried) =>
    withMode(url, tried),
  ) as [string, string];
  try {
    await tryOnce(first);
    return first;
  } catch (error) {
    if ((error as { code?: string }).code !== REFUSED_SO && !/does not support SSL/.test((error as Error).message))
      throw error;
    return tryOnce(second).then(
      () => second,
      () => Promise.reject(error as Error),
    );
  }
}

function withMode(url: URL, mode: string): string {
  const changed = new URL(url);
  changed.searchParams.set('sslmode', mode);
  return changed.href;
}

async function tryOnce(url: string): Promise<void> {
  const client = new DatabaseClient({ ...clientOptions(url, 'gatehouse-boot'), connectionTimeoutMillis: 30_000 });
  try {
    await client.connect();
  } finally {
    await client.end().catch(() => undefined);
  }
}
