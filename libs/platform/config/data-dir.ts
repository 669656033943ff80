import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Something about the disk or DATA_DIR that only an operator can mend. The message is one sentence. */
export class DataDirError extends Error {
  override readonly name = 'DataDirError';
}

const MARKER = 'GATEHOUSE';

/**
 * Makes DATA_DIR ours (0700), or recognises it as ours by its marker file.
 * Throws DataDirError for a folder that holds somebody else's files, a full disk, missing rights.
 */
export function claimDataDir(dir: string): void {
  try {
    makeFolder(dir);
    const names = readdirSync(dir);
    if (names.includes(MARKER)) return;
    if (names.length > 0) {
      throw new DataDirError(`DATA_DIR ${dir} holds files that are not Gatehouse's; name an empty or a new folder.`);
    }
    writeFileSync(resolve(dir, MARKER), 'This folder belongs to a Gatehouse server. Back it up; do not edit it.\n', {
      mode: 0o600,
    });
  } catch (error) {
    throw asDataDirError(error, `DATA_DIR ${dir}`);
  }
}

/** Throws DataDirError unless a server was started on this folder before. */
export function recogniseDataDir(dir: string): void {
  if (!existsSync(resolve(dir, MARKER)))
    throw new DataDirError(`No Gatehouse was ever started with DATA_DIR ${dir}; npm start sets one up.`);
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

/**
 * The trimmed content of a 0600 file, made from `create()` when it is not there. Several processes may
 * race: one of them creates it, all read the same. Throws DataDirError when the disk refuses.
 */
export function readOrCreateSecretFile(file: string, create: () => string): string {
  try {
    if (!existsSync(file)) {
      // link() fails when the name exists, so nobody ever reads a half-written secret.
      const draft = `${file}.${process.pid}.new`;
      writeSecretFile(draft, create());
      try {
        linkSync(draft, file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      } finally {
        unlinkSync(draft);
      }
    }
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw asDataDirError(error, file);
  }
}

/** Writes a 0600 file through to the disk, replacing what was there. */
export function writeSecretFile(file: string, content: string): void {
  const handle = openSync(file, 'w', 0o600);
  try {
    writeSync(handle, content.endsWith('\n') ? content : `${content}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Turns the errors of a disk that an operator must mend into one sentence; passes anything else through. */
export function asDataDirError(error: unknown, what: string): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new DataDirError(`The disk is full: ${what} cannot be written.`);
    case 'EACCES':
    case 'EPERM':
      return new DataDirError(`${what} cannot be used: this user may not read and write it.`);
    case 'EROFS':
      return new DataDirError(`${what} cannot be written: the file system is read-only.`);
    case 'ENOENT':
      return new DataDirError(`${what} cannot be made there.`);
    case 'ENOTDIR':
    case 'EEXIST':
      return new DataDirError(`${what} cannot be used: it is not a folder.`);
    default:
      return error;
  }
}
