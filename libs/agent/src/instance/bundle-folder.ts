import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { CONFIG_PATH } from '../../../bootstrap/index.js';
import { AgentExit, EXIT, misconfigured } from '../cli/exit-codes.js';
import { makeFolder, removeIfThere } from '../config/atomic-file.js';
import type { Log } from '../log.js';
import type { ChildUser } from './child-user.js';

/** `content` is the text as it is to stand in the file. */
type FileToWrite = { path: string; mode: string; content: string };
/** `copyTo` makes a file of that name, which is not there yet, and answers when its content is known to be right. */
type DependencyToWrite = { path: string; mode: string; copyTo(target: string): Promise<void> };
export type BundleToWrite = {
  version: number;
  files: readonly FileToWrite[];
  config: unknown;
  dependencies: readonly DependencyToWrite[];
};

export type BundleFolderOptions = {
  /** `--bundle-dir` or `--out`; one is chosen where it is not given. */
  dir?: string;
  env: NodeJS.ProcessEnv;
  /** The config and state file: its folder is the last choice, and its path tells instances of one machine apart. */
  configFile: string;
  /** Whom the files belong to; the agent's own user when absent. */
  user?: ChildUser | undefined;
  log: Log;
  /** Where folders in memory are looked for, for tests. */
  inMemory?: readonly string[];
};

const CURRENT = 'current';
const READY = 'ready';
const VERSION = /^\d+(\.\d+)?$/;
/** tmpfs and ramfs, as statfs(2) names them. */
const MEMORY_TYPES = [0x01021994, 0x858458f6];

/**
 * Where a bundle's files are (docs/instances.md §7.3): a folder for each version, made whole before it gets its name, and `current`, a link to
 * the one that counts, replaced in one step. One agent at a time writes here, the one that holds the lock of the state file.
 */
export class BundleFolder {
  private constructor(
    readonly path: string,
    /** Chosen here: it goes when nothing is in it. One that somebody named is theirs. */
    private readonly chosen: boolean,
    private readonly user: ChildUser | undefined,
    private readonly log: Log,
  ) {}

  /**
   * Chooses the folder, makes it, and clears away what an earlier agent left half-written.
   * @throws AgentExit 78 for a folder of somebody else, or one that the program's user cannot enter; 73 when it cannot be made
   */
  static open({ dir, env, configFile, user, log, inMemory = ['/run', '/dev/shm'] }: BundleFolderOptions): BundleFolder {
    const state = dirname(resolve(configFile));
    const runtime = env['RUNTIME_DIRECTORY']?.split(':')[0];
    const own = `gatehouse-${createHash('sha256').update(resolve(configFile)).digest('hex').slice(0, 12)}`;
    const path = dir
      ? resolve(dir)
      : runtime
        ? join(runtime, 'bundle')
        : (inMemory.map((at) => join(at, own)).find((at) => isUsable(at, user)) ?? join(state, 'bundle'));
    const folder = new BundleFolder(path, !dir, user, log);
    try {
      // A folder that somebody named may hold other things, for other people: its mode is theirs to choose.
      if (!dir && existsSync(path) && foreign(path) === undefined) folder.open(path);
      folder.prepare();
    } catch (error) {
      if (error instanceof AgentExit) throw error;
      throw cannotWrite(path, error);
    }
    if (!isInMemory(path))
      log.warn(
        `secrets of the bundle are written to ${path}, which is on disk; better give a folder in memory, such as one below /dev/shm`,
      );
    return folder;
  }

  /** The link to the version that counts. */
  get current(): string {
    return join(this.path, CURRENT);
  }

  /** Where the program finds `config`: below `current`, so that it stays right when the version changes. */
  get config(): string {
    return join(this.current, CONFIG_PATH);
  }

  /** Where an agent notes which program it started (`LeftBehind`). */
  get childRecord(): string {
    return join(this.path, '.child.json');
  }

  /** The place of the file that tells the program is ready, in a folder that the program may write to. @throws AgentExit 73 */
  readyFile(name: string): string {
    const folder = join(this.path, READY);
    try {
      if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
      if (this.user) chownSync(folder, this.user.uid, this.user.gid);
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
    return resolve(folder, name);
  }

  /**
   * Writes the files of a version, all or none.
   * @returns its folder, which nothing points at yet
   * @throws AgentExit 73 when something cannot be written; what `copyTo` throws
   */
  async write({ version, files, config, dependencies }: BundleToWrite): Promise<string> {
    const temporary = join(this.path, `.${version}.tmp`);
    try {
      this.prepare();
      this.makeFolder(temporary);
      for (const { path, mode, content } of files) this.writeFile(this.place(temporary, path), mode, content);
      this.writeFile(this.place(temporary, CONFIG_PATH), '0400', `${JSON.stringify(config ?? null, null, 2)}\n`);
      for (const { path, mode, copyTo } of dependencies) {
        const target = this.place(temporary, path);
        await copyTo(target);
        const file = openSync(target, 'r');
        this.finish(file, mode);
      }
      syncFolders(temporary);
      const folder = this.freeName(version);
      renameSync(temporary, folder);
      syncFolder(this.path);
      return folder;
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw (error as NodeJS.ErrnoException).syscall === undefined ? error : cannotWrite(this.path, error);
    }
  }

  /**
   * Points `current` at a version.
   * @param folder as `write` answered it
   * @throws AgentExit 73
   */
  switchTo(folder: string): void {
    const temporary = join(this.path, `.${CURRENT}.tmp`);
    try {
      if (linkTarget(this.current) === basename(folder)) return;
      removeIfThere(temporary);
      symlinkSync(basename(folder), temporary);
      renameSync(temporary, this.current);
      syncFolder(this.path);
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }

  /** Removes every version but these. */
  keepOnly(folders: readonly string[]): void {
    const kept = folders.map((folder) => basename(folder));
    const written = existsSync(this.path) ? readdirSync(this.path).filter((name) => VERSION.test(name)) : [];
    for (const name of written) if (!kept.includes(name)) this.remove(join(this.path, name));
  }

  /** Removes all that was written here, and the folder where it was chosen: the program is over, or was revoked. */
  clear(): void {
    removeIfThere(this.current);
    this.keepOnly([]);
    this.remove(join(this.path, READY));
    try {
      if (this.chosen) rmdirSync(this.path);
    } catch {
      // It holds something else, or belongs to a unit's RuntimeDirectory.
    }
  }

  private remove(path: string): void {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch (error) {
      this.log.error(
        `${path}, of a bundle that is not applied any more, cannot be removed: ${(error as Error).message}`,
      );
    }
  }

  /** @throws AgentExit 78, or the system's error */
  private prepare(): void {
    if (!existsSync(this.path)) {
      makeFolder(this.path);
      this.open(this.path);
    }
    const problem = foreign(this.path) ?? (this.user && closedTo(this.path, this.user));
    if (problem) throw misconfigured(`the bundle folder ${this.path} cannot be used: ${problem}`);
    for (const name of readdirSync(this.path)) if (/^\..*\.tmp$/.test(name)) this.remove(join(this.path, name));
  }

  /** With a user of its own the program reads, and only the agent may make, move and remove: it may be root, and follows no planted link. */
  private open(folder: string): void {
    chmodSync(folder, this.user ? 0o750 : 0o700);
    if (this.user) chownSync(folder, process.geteuid?.() ?? 0, this.user.gid);
  }

  private makeFolder(path: string): void {
    mkdirSync(path, { mode: 0o700 });
    this.open(path);
  }

  /** The place of a file below a folder, with the folders on the way to it. */
  private place(below: string, path: string): string {
    const target = resolve(below, path);
    if (!target.startsWith(below + sep)) throw new Error(`${path} leaves the bundle folder`);
    if (existsSync(target)) throw new Error(`${path} is the name of two files of the bundle`);
    const missing: string[] = [];
    for (let at = dirname(target); !existsSync(at); at = dirname(at)) missing.unshift(at);
    for (const folder of missing) this.makeFolder(folder);
    return target;
  }

  private writeFile(path: string, mode: string, content: string): void {
    const file = openSync(path, 'wx', 0o600);
    writeFileSync(file, content);
    this.finish(file, mode);
  }

  private finish(file: number, mode: string): void {
    try {
      fchmodSync(file, Number.parseInt(mode, 8));
      if (this.user) fchownSync(file, this.user.uid, this.user.gid);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  /** A version that was written before, by an agent that was killed, may be what `current` points at: it stays as it is until then. */
  private freeName(version: number): string {
    for (let again = 0; ; again++) {
      const path = join(this.path, again === 0 ? `${version}` : `${version}.${again}`);
      if (!existsSync(path)) return path;
    }
  }
}

function cannotWrite(path: string, error: unknown): AgentExit {
  const { code, message } = error as NodeJS.ErrnoException;
  const advice = code === 'ENOSPC' && isInMemory(path) ? '; give a larger folder with --bundle-dir' : '';
  return new AgentExit(EXIT.stateNotWritable, `the bundle folder ${path} cannot be written: ${message}${advice}`);
}

/** A folder in memory that is the agent's, or can be made. */
function isUsable(path: string, user: ChildUser | undefined): boolean {
  try {
    if (!isInMemory(dirname(path))) return false;
    if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
    return foreign(path) === undefined && !(user && closedTo(dirname(path), user));
  } catch {
    return false;
  }
}

/** Why this folder is not the agent's own, or undefined. */
function foreign(path: string): string | undefined {
  const { uid, mode } = lstatSync(path);
  if (!lstatSync(path).isDirectory()) return 'it is no folder';
  if (process.geteuid && uid !== process.geteuid()) return `it belongs to user ${uid}`;
  return process.platform !== 'win32' && (mode & 0o022) !== 0 ? 'others may write to it' : undefined;
}

/** Why this user cannot enter the folder, or undefined. */
function closedTo(path: string, { name, uid, groups }: ChildUser): string | undefined {
  if (uid === 0) return undefined;
  for (let at = path; ; at = dirname(at)) {
    const { uid: owner, gid, mode } = statSync(at);
    const bit = owner === uid ? 0o100 : groups.includes(gid) ? 0o010 : 0o001;
    if ((mode & bit) === 0) return `user ${name} cannot enter ${at}`;
    if (at === dirname(at)) return undefined;
  }
}

/** Whether what is written there, or to the nearest folder above that exists, is kept in memory alone. */
function isInMemory(path: string): boolean {
  if (process.platform !== 'linux') return false;
  for (let at = path; ; at = dirname(at)) if (existsSync(at)) return MEMORY_TYPES.includes(statfsSync(at).type);
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function syncFolders(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) syncFolders(join(folder, entry.name));
  syncFolder(folder);
}

function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
