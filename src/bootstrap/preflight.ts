import { createServer } from 'node:net';
import pg from 'pg';
import { type Config, ConfigError, DataDirError, readKeyPair } from '../../libs/platform/index.js';
import { EmbeddedPostgresError } from '../../libs/platform/database/embedded-postgres.js';

const OLDEST_POSTGRES = 15;

/** The server cannot start. The message is one sentence for the operator. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** What can be known before anything is started. Throws StartError. */
export async function checkMachine(config: Config): Promise<void> {
  await assertPortFree('PORT', config.host, config.port);
  if (config.metricsPort !== undefined) await assertPortFree('METRICS_PORT', config.host, config.metricsPort);
  if (config.tls) {
    try {
      readKeyPair(config.tls);
    } catch (error) {
      throw new StartError(`TLS_CERT_FILE and TLS_KEY_FILE do not make a usable pair: ${(error as Error).message}.`);
    }
  }
}

/** Reachable, ours to enter, and not too old. Throws StartError; never repeats the URL, which holds a password. */
export async function checkDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'gatehouse-boot', connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ major: number; version: string }>(
      `SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('server_version') AS version`,
    );
    const { major, version } = rows[0]!;
    if (major < OLDEST_POSTGRES) throw new StartError(`DATABASE_URL leads to PostgreSQL ${version}; Gatehouse needs ${OLDEST_POSTGRES} or newer.`);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`DATABASE_URL leads to no usable database: ${reason(error)}.`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** One sentence where we know what is wrong; undefined for anything unexpected, which deserves its stack. */
export function sentenceFor(error: unknown): string | undefined {
  const known = [StartError, ConfigError, DataDirError, EmbeddedPostgresError];
  return known.some((type) => error instanceof type) ? (error as Error).message : undefined;
}

function reason(error: unknown): string {
  const { code, message, errors } = error as { code?: string; message: string; errors?: Error[] };
  return message || errors?.[0]?.message || code || 'it does not answer';
}

async function assertPortFree(name: string, host: string, port: number): Promise<void> {
  const probe = createServer();
  const error = await new Promise<NodeJS.ErrnoException | undefined>((done) => {
    probe.once('error', done);
    probe.listen(port, host, () => probe.close(() => done(undefined)));
  });
  if (!error) return;
  const why: Record<string, string> = {
    EADDRINUSE: `${name} ${port} is in use by another program on ${host}; stop that one or set another ${name}.`,
    EACCES: `${name} ${port} may not be opened by this user; set a ${name} above 1023.`,
    EADDRNOTAVAIL: `HOST ${host} is not an address of this machine.`,
    ENOTFOUND: `HOST ${host} is not known to this machine.`,
  };
  throw new StartError(why[error.code ?? ''] ?? `${name} ${port} cannot be opened on ${host}: ${error.message}.`);
}
