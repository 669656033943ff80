import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/**
 * Replaces a file so that a power cut leaves the old content or the new, never a part: temp file, fsync, rename, fsync of the directory.
 * @param path file to replace, made with mode 0600 and its folder with 0700; a symbolic link stays and its target is replaced or made
 */
export function writeFileAtomic(path: string, content: string): void {
  const target = resolveLinks(path);
  makeFolder(dirname(target));
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  let renamed = false;
  try {
    removeLeftovers(target);
    const file = openSync(temporary, 'wx', 0o600);
    try {
      const bytes = Buffer.from(content, 'utf8');
      let written = 0;
      while (written < bytes.length) written += writeSync(file, bytes, written);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, target);
    renamed = true;
    syncDirectory(dirname(target));
  } finally {
    if (!renamed) removeIfThere(temporary);
  }
}

/** A crash between write and rename leaves a temp file that may hold a secret; the next write removes it. */
function removeLeftovers(target: string): void {
  const prefix = `.${basename(target)}.`;
  for (const name of readdirSync(dirname(target))) {
    const pid = name.startsWith(prefix) && /^(\d+)\.tmp$/.exec(name.slice(prefix.length))?.[1];
    if (pid && (Number(pid) === process.pid || !isRunning(Number(pid)))) removeIfThere(join(dirname(target), name));
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function syncDirectory(path: string): void {
  if (process.platform === 'win32') return; // a directory cannot be opened there; the rename is journalled
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/**
 * Where a path leads, through symbolic links that dangle too: what does not exist yet is to be made there.
 * @throws the system's error for a circle of links
 */
export function resolveLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const link = linkTarget(path);
  const folder = dirname(resolve(path));
  if (link !== undefined) return resolveLinks(resolve(folder, link));
  return folder === resolve(path) ? folder : join(resolveLinks(folder), basename(path));
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

export function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // gone already, or not ours to remove
  }
}

/** Makes a folder and those above it. Step by step: where nothing can be made, as in /proc, Node's own `recursive` never ends. */
export function makeFolder(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) {
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
