import pg from 'pg';
import { DataSource, type MixedList } from 'typeorm';

/** Held while the schema is brought up to date and while a first run creates what an installation starts with. */
const BOOT_LOCK = 7_241_963;

/**
 * Runs `work` while no other server process runs its own: several servers may start at once.
 * The lock sits on a connection without timeouts, so that waiting for a long migration elsewhere is no failure.
 */
export async function underBootLock<T>(url: string, work: () => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'gatehouse-boot', connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await assertOwnSession(client);
    await client.query('SELECT pg_advisory_lock($1)', [BOOT_LOCK]);
    return await work();
  } finally {
    await client.end();
  }
}

/** Brings the schema up to date, one transaction per migration. */
export async function migrate(url: string, migrations: MixedList<abstract new () => object>): Promise<void> {
  await underBootLock(url, async () => {
    const dataSource = new DataSource({ type: 'postgres', url, migrations: migrations as never, applicationName: 'gatehouse-boot', poolSize: 2 });
    await dataSource.initialize();
    try {
      await dataSource.runMigrations({ transaction: 'each' });
    } finally {
      await dataSource.destroy();
    }
  });
}

/** Session locks, LISTEN and prepared statements need a connection of one's own (agent-session.md, Revocation). */
async function assertOwnSession(client: pg.Client): Promise<void> {
  const seen = new Set<number>();
  await client.query(`SET gatehouse.boot = 'mine'`);
  for (let i = 0; i < 5; i++) {
    const { rows } = await client.query<{ pid: number; mine: string | null }>(
      `SELECT pg_backend_pid() AS pid, current_setting('gatehouse.boot', true) AS mine`,
    );
    seen.add(rows[0]!.mine === 'mine' ? rows[0]!.pid : -1);
  }
  if (seen.size > 1 || seen.has(-1)) {
    throw new Error('DATABASE_URL must be a direct or session-pooled connection; this one is pooled per transaction');
  }
}
