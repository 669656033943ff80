import type { EnvReader } from './env-reader.js';

/** PostgreSQL, and how long a start waits for it. */
export interface DatabaseConfig {
  /** Absent: an embedded PostgreSQL, whose url takes this place once it runs. */
  readonly url?: string;
  readonly poolSize: number;
  readonly startWaitSeconds: number;
}

export function readDatabase(env: EnvReader): DatabaseConfig {
  return {
    url: env.optional('DATABASE_URL'),
    poolSize: env.whole('DATABASE_POOL_SIZE'),
    startWaitSeconds: env.whole('START_WAIT_SECONDS'),
  };
}
