import { isUtf8 } from 'node:buffer';
import { closeSync, type FSWatcher, fstatSync, openSync, readSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { DOCUMENT_LIMITS, type Problem } from '../../../blueprint/index.js';
import type { AgentContext } from '../context.js';

const DEBOUNCE_MS = 500;
/** A file that is written all the time is read after this many pauses all the same. */
const MAX_PAUSES = 10;
/** Network mounts report no changes, and a directory that is not there yet cannot be watched. */
const POLL_MS = 10_000;

/**
 * Reads a file now and whenever it has changed, until the signal ends it. The directory is watched, not the file: an editor that
 * writes a new file and renames it, a mounted configuration that is swapped, and a file that appears later are all seen.
 * @param found is given the text of the file when it is another than before
 * @param missing is given the reason, once, when the file cannot be read
 */
export async function followFile(
  context: Pick<AgentContext, 'clock'>,
  path: string,
  signal: AbortSignal,
  found: (text: string) => void,
  missing: (reason: string) => void,
): Promise<void> {
  let last = '';
  const look = () => {
    const file = readText(path);
    const read = 'problem' in file ? { reason: file.problem.message } : file;
    const now = `${'text' in read}:${'text' in read ? read.text : read.reason}`;
    if (now === last) return;
    last = now;
    if ('text' in read) found(read.text);
    else missing(read.reason);
  };
  while (!signal.aborted) {
    // Watched before it is read: a change in between is not lost.
    const change = new DirectoryChange(path);
    try {
      look();
      await pause(context, POLL_MS, 'file-poll', AbortSignal.any([signal, change.happened]));
      for (let pauses = 0; change.happened.aborted && pauses < MAX_PAUSES && !signal.aborted; pauses++) {
        change.rearm();
        await pause(context, DEBOUNCE_MS, 'file-debounce', signal);
      }
    } finally {
      change.close();
    }
  }
}

/** Tells once of something that happened to a file, until it is armed again. */
class DirectoryChange {
  private controller = new AbortController();
  private watcher: FSWatcher | undefined;

  constructor(path: string) {
    const name = basename(path);
    try {
      this.watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
        // Names with two dots are the swapped folders of a mounted configuration.
        if (changed === null || changed === name || changed.startsWith('..')) this.controller.abort();
      });
      this.watcher.on('error', () => this.close());
    } catch {
      // No such directory, or no more watches: it is looked at from time to time
    }
  }

  get happened(): AbortSignal {
    return this.controller.signal;
  }

  rearm(): void {
    this.controller = new AbortController();
  }

  close(): void {
    this.watcher?.close();
  }
}

async function pause(
  context: Pick<AgentContext, 'clock'>,
  ms: number,
  what: string,
  until: AbortSignal,
): Promise<void> {
  await context.clock.sleep(ms, what, until).catch((error: unknown) => {
    if (!until.aborted) throw error;
  });
}

/** Where nothing is read to the end: what is longer is only said to be. */
const MAX_COUNTED = 64 * 1024 * 1024;

/**
 * A file's text, at most as much as a blueprint may have.
 * @param file a path, or a descriptor such as 0
 * @param any also what is no regular file: a pipe, a device
 * @returns the text, why there is none, or what is wrong with the document before it can be read
 */
export function readText(
  file: string | number,
  any = false,
): { text: string } | { reason: string } | { problem: Problem } {
  let open: number | undefined;
  try {
    const from = typeof file === 'number' ? file : (open = openSync(file, 'r'));
    const stats = fstatSync(from);
    if (stats.isDirectory() || (!any && !stats.isFile())) return { reason: 'it is not a file' };
    const buffer = Buffer.alloc(DOCUMENT_LIMITS.bytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) read = readSome(from, buffer, length);
    if (length > DOCUMENT_LIMITS.bytes) {
      const size = stats.isFile() ? stats.size : length + rest(from);
      return {
        problem: {
          path: '',
          message: `the document has ${size > MAX_COUNTED ? `more than ${MAX_COUNTED}` : size} bytes; at most ${DOCUMENT_LIMITS.bytes} are read`,
          line: 1,
          column: 1,
        },
      };
    }
    const bytes = buffer.subarray(0, length);
    return isUtf8(bytes) ? { text: bytes.toString('utf8') } : { problem: notText(bytes) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { reason: code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is not a file' : message };
  } finally {
    if (open !== undefined) closeSync(open);
  }
}

/** A descriptor that somebody else opened may say that there is nothing yet. */
function readSome(file: number, buffer: Buffer, at: number): number {
  for (;;) {
    try {
      return readSync(file, buffer, at, buffer.length - at, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

function rest(file: number): number {
  const buffer = Buffer.alloc(65_536);
  let counted = 0;
  for (let read = -1; read !== 0 && counted <= MAX_COUNTED; counted += read) read = readSome(file, buffer, 0);
  return counted;
}

function notText(bytes: Buffer): Problem {
  const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const before = bytes.toString('utf8').split('\uFFFD', 1)[0] ?? '';
  const line = before.split('\n').length;
  return {
    path: '',
    message: `it is not UTF-8${utf16 ? ' but UTF-16: save it as UTF-8' : ''}`,
    line,
    column: before.length - before.lastIndexOf('\n'),
  };
}
