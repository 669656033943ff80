import { closeSync, constants, lutimesSync, openSync, writeSync } from 'node:fs';
import { removeIfThere } from '../config/atomic-file.js';
import type { Log } from '../log.js';
import { describe } from './server-link.js';

/** Often in /tmp: a link there, which is somebody else's after the start has removed the file, is not followed. Windows has no such flag. */
const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW = 0 } = constants;
const ANEW = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;

/**
 * A file that holds `ok` while the session is open. An agent that is killed leaves it, so that its age is part of the word: it is renewed
 * with every heartbeat, and removed by the next start (docs/agent-protocol.md rule 34).
 */
export class HealthFile {
  /** @param path '' for none */
  constructor(
    private readonly path: string,
    private readonly log: Log,
  ) {}

  mark(): void {
    if (this.path === '') return;
    try {
      const file = openSync(this.path, ANEW, 0o644);
      try {
        writeSync(file, 'ok');
      } finally {
        closeSync(file);
      }
    } catch (error) {
      this.log.warn(`the health file ${this.path} cannot be written: ${describe(error)}`);
    }
  }

  /** Says anew that it is true; a file that somebody removed meanwhile comes back. */
  renew(): void {
    if (this.path === '') return;
    try {
      lutimesSync(this.path, new Date(), new Date());
    } catch {
      this.mark();
    }
  }

  remove(): void {
    if (this.path !== '') removeIfThere(this.path);
  }
}
