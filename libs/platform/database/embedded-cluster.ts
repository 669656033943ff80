import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { asDataDirError, DataDirError, writeSecretFile } from '../config/data-dir.js';
import { isAlive } from '../runtime/is-alive.mjs';
import { asAccount, type EmbeddedHome, EmbeddedPostgresError, POSTGRES_ENV } from './embedded-data-dir.js';

/** Superuser of the embedded cluster, and the server's own user. */
export const DATABASE_USER = 'gatehouse';

/** Durability (fsync, full_page_writes, synchronous_commit) keeps its default, on. */
const SETTINGS: Record<string, string> = {
  max_connections: '100',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  unix_socket_permissions: '0700',
};

/**
 * Makes the cluster in `home` unless it is there. `settings` go into its postgresql.conf, which the operator may edit later.
 * Throws EmbeddedPostgresError for a folder that is no cluster, or one of another major version; DataDirError for the disk.
 */
export function createCluster(home: EmbeddedHome, password: string, settings: Record<string, string> = {}): void {
  const data = join(home.dir, 'data');
  const version = majorVersion(home);
  const versionFile = join(data, 'PG_VERSION');
  if (existsSync(versionFile)) {
    const found = readFileSync(versionFile, 'utf8').trim();
    if (found !== version)
      throw new EmbeddedPostgresError(
        `${data} was made by PostgreSQL ${found}, and this Gatehouse brings ${version}; upgrade it with pg_upgrade.`,
      );
    return;
  }
  if (existsSync(data))
    throw new EmbeddedPostgresError(`${data} is not a PostgreSQL data directory; move it away and start again.`);
  try {
    initialise(home, data, password, { ...SETTINGS, ...settings });
  } catch (error) {
    throw asDataDirError(error, home.dir);
  }
}

/** A 0700 folder of the account that PostgreSQL runs as. */
export function makeFolder(dir: string, home: EmbeddedHome): void {
  mkdirSync(dir, { mode: 0o700 });
  give(dir, home);
}

/** What PostgreSQL's output means for the operator, where we know; a full disk often takes the words with it, so the disk is asked too. */
export function explainOutput(output: string, dir: string): Error | undefined {
  const { bavail, bsize } = statfsSync(dir);
  const full = bavail * bsize < 65_536 || /No space left on device|Disk quota exceeded/.test(output);
  return full ? new DataDirError('The disk is full: the embedded PostgreSQL cannot write its data.') : undefined;
}

/** The line of PostgreSQL's output that says why. */
export function firstError(output: string): string {
  const line =
    output.split('\n').findLast((text) => /FATAL|PANIC|error:/.test(text)) ?? output.trim().split('\n').at(-1) ?? '';
  return line.replace(/^.*?(FATAL|PANIC|error):\s*/, '').trim() || 'it said nothing';
}

function majorVersion(home: EmbeddedHome): string {
  const { stdout } = spawnSync(join(home.bin, 'postgres'), ['-V'], {
    encoding: 'utf8',
    ...asAccount(home.runAs),
    cwd: '/',
    env: POSTGRES_ENV,
  });
  const major = /\d+/.exec(stdout ?? '')?.[0];
  if (!major)
    throw new EmbeddedPostgresError(
      'The embedded PostgreSQL does not run on this machine; set DATABASE_URL to a PostgreSQL 15 or newer.',
    );
  return major;
}

/** Into a draft folder first: a first start that was cut short leaves no half-made cluster. */
function initialise(home: EmbeddedHome, data: string, password: string, settings: Record<string, string>): void {
  for (const name of readdirSync(home.dir)) {
    const maker = /^initdb-(\d+)$/.exec(name)?.[1];
    if (maker && !isAlive(Number(maker))) rmSync(join(home.dir, name), { recursive: true });
  }
  const draft = join(home.dir, `initdb-${process.pid}`);
  rmSync(draft, { recursive: true, force: true });
  makeFolder(draft, home);
  const passwordFile = join(draft, 'password');
  writeSecretFile(passwordFile, password);
  give(passwordFile, home);
  const draftData = join(draft, 'data');
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const initdb = spawnSync(
    join(home.bin, 'initdb'),
    [
      '-D',
      draftData,
      '-U',
      DATABASE_USER,
      '-A',
      'scram-sha-256',
      '--pwfile',
      passwordFile,
      '-E',
      'UTF8',
      '--locale',
      'C',
      '--locale-provider',
      'builtin',
      '--builtin-locale',
      'C.UTF-8',
      ...options,
    ],
    { ...asAccount(home.runAs), cwd: '/', env: POSTGRES_ENV, encoding: 'utf8' },
  );
  if (initdb.status !== 0) {
    rmSync(draft, { recursive: true });
    const output = `${initdb.stderr ?? ''}${initdb.error?.message ?? ''}`;
    throw (
      explainOutput(output, home.dir) ??
      new EmbeddedPostgresError(`The embedded PostgreSQL cannot make its data directory: ${firstError(output)}`)
    );
  }
  try {
    renameSync(draftData, data);
  } catch (error) {
    // Another start of the same DATA_DIR was faster; its cluster is the one.
    if (!existsSync(join(data, 'PG_VERSION'))) throw error;
  }
  rmSync(draft, { recursive: true });
}

function give(path: string, home: EmbeddedHome): void {
  if (home.runAs) chownSync(path, home.runAs.uid, home.runAs.gid);
}
