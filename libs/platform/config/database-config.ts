import { ConfigError, type EnvReader } from './env-reader.js';

/** PostgreSQL, and how long a start waits for it. */
export interface DatabaseConfig {
  /** Absent: an embedded PostgreSQL, whose url takes this place once it runs. */
  readonly url?: string;
  readonly poolSize: number;
  readonly startWaitSeconds: number;
}

export function readDatabase(env: EnvReader): DatabaseConfig {
  const url = env.optional('DATABASE_URL');
  if (url !== undefined) checkDatabaseUrl(url);
  return {
    url,
    poolSize: env.whole('DATABASE_POOL_SIZE', 2, 1_000),
    startWaitSeconds: env.whole('START_WAIT_SECONDS', 0, 86_400),
  };
}

function checkDatabaseUrl(value: string): void {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  // The value may hold a password: never repeat it.
  if (!url || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    throw new ConfigError('DATABASE_URL must look like postgres://user:password@host:5432/database.');
  }
}
