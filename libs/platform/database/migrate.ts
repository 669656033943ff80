import { setTimeout as delay } from 'node:timers/promises';
import { DataSource, type MixedList } from 'typeorm';
import { clientOptions, DatabaseClient, DatabaseUrlError } from './database-client.js';
import { StartupRetry, type StartupRetryOptions } from './startup-retry.js';

/** Held while the schema is brought up to date and while a first run creates what an installation starts with. */
const BOOT_LOCK = 7_241_963;
const TRY_EVERY_MS = 200;
const UNTOLD: StartupRetryOptions = { ms: 120_000, say: () => undefined };

/** Who holds the boot lock, and whether it is at work: its statements run under a name of their own. */
const HOLDER = `
SELECT a.pid, a.client_addr::text AS address, a.backend_start AS since,
  EXISTS (SELECT FROM pg_stat_activity m WHERE m.datname = current_database() AND m.application_name = 'gatehouse-migrate' AND m.state = 'active') AS working
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.objid = ${BOOT_LOCK} AND l.database = a.datid AND a.datname = current_database()`;

/**
 * Runs `work` while no other server process runs its own: several servers may start at once. Waits for a migration elsewhere as long as it works.
 * @throws StartupTimeoutError when the lock was held for the whole of the patience by one that does nothing.
 */
export async function underBootLock<T>(
  url: string,
  work: () => Promise<T>,
  patience: StartupRetryOptions = UNTOLD,
): Promise<T> {
  const client = new DatabaseClient(clientOptions(url, 'gatehouse-boot'));
  await client.connect();
  try {
    await assertOwnSession(client);
    const wait = new StartupRetry(patience);
    while (
      !(await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [BOOT_LOCK])).rows[0]!
        .locked
    ) {
      const { rows } = await client.query<{ pid: number; address: string | null; since: Date; working: boolean }>(
        HOLDER,
      );
      const [holder] = rows;
      if (holder?.working) wait.extend();
      wait.goOn(
        holder
          ? `another server to finish starting (it holds the boot lock since ${holder.since.toISOString()}, from ${holder.address ?? 'this machine'}, as PostgreSQL process ${holder.pid})`
          : 'another server to finish starting',
      );
      await delay(TRY_EVERY_MS);
    }
    return await work();
  } finally {
    await client.end();
  }
}

/** Brings the schema up to date, one transaction per migration, under the boot lock. */
export async function migrate(
  url: string,
  migrations: MixedList<abstract new () => object>,
  patience: StartupRetryOptions = UNTOLD,
): Promise<void> {
  await underBootLock(
    url,
    async () => {
      const extra = { ...clientOptions(url, 'gatehouse-migrate'), Client: DatabaseClient };
      const dataSource = new DataSource({
        type: 'postgres',
        url,
        migrations: migrations as never,
        poolSize: 2,
        extra,
        poolErrorHandler: () => undefined,
      });
      await dataSource.initialize();
      try {
        await dataSource.runMigrations({ transaction: 'each' });
      } finally {
        await dataSource.destroy();
      }
    },
    patience,
  );
}

/** Session locks and prepared statements need a connection of one's own; `PgNotifications` proves the same of LISTEN. */
async function assertOwnSession(client: DatabaseClient): Promise<void> {
  const seen = new Set<number>();
  await client.query(`SET gatehouse.boot = 'mine'`);
  for (let i = 0; i < 5; i++) {
    const { rows } = await client.query<{ pid: number; mine: string | null }>(
      `SELECT pg_backend_pid() AS pid, current_setting('gatehouse.boot', true) AS mine`,
    );
    seen.add(rows[0]!.mine === 'mine' ? rows[0]!.pid : -1);
  }
  if (seen.size > 1 || seen.has(-1)) {
    throw new DatabaseUrlError(
      'DATABASE_URL must be a direct or session-pooled connection; this one is pooled per transaction.',
    );
  }
}
