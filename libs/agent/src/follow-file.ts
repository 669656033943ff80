import { closeSync, fstatSync, type FSWatcher, openSync, readSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { DOCUMENT_LIMITS } from '../../blueprint/index.js';
import type { AgentContext } from './context.js';

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
    const read = readText(path);
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

async function pause(context: Pick<AgentContext, 'clock'>, ms: number, what: string, until: AbortSignal): Promise<void> {
  await context.clock.sleep(ms, what, until).catch((error: unknown) => {
    if (!until.aborted) throw error;
  });
}

/** A file's text, at most as much as a blueprint may have: what is longer comes one byte too long. */
export function readText(path: string): { text: string } | { reason: string } {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    if (!fstatSync(file).isFile()) return { reason: 'it is not a file' };
    const buffer = Buffer.alloc(DOCUMENT_LIMITS.bytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) read = readSync(file, buffer, length, buffer.length - length, null);
    // Cut off in the middle of a character it is too long anyway.
    return { text: new TextDecoder('utf-8', { fatal: length <= DOCUMENT_LIMITS.bytes }).decode(buffer.subarray(0, length)) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return { reason: 'it is not UTF-8' };
    return { reason: code === 'ENOENT' ? 'there is no such file' : message };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
