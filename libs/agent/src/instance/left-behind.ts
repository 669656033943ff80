import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { isRunning, removeIfThere, writeFileAtomic } from '../config/atomic-file.js';
import type { Log } from '../log.js';
import { endGroup } from './child.js';

/**
 * Which program an agent has started, for the next one: an agent that is killed leaves its program running, and two of it must not run at
 * once. Linux only: elsewhere a process cannot be told from a later one of the same number.
 */
export class LeftBehind {
  constructor(
    private readonly path: string,
    private readonly log: Log,
  ) {}

  note(pid: number): void {
    const started = startOf(pid);
    if (started !== undefined) writeFileAtomic(this.path, JSON.stringify({ pid, started }));
  }

  forget(): void {
    removeIfThere(this.path);
  }

  /** Ends the group of the program that an earlier agent left running, if it did: SIGTERM, SIGKILL after the grace. */
  async end(graceMs: number): Promise<void> {
    const pid = this.running();
    if (pid !== undefined) {
      this.log.warn(`process ${pid}, started by an agent that was killed, is ended first`);
      await endGroup(pid, performance.now() + graceMs);
    }
    this.forget();
  }

  private running(): number | undefined {
    try {
      const { pid, started } = JSON.parse(readFileSync(this.path, 'utf8')) as { pid: number; started: string };
      return isRunning(pid) && startOf(pid) === started ? pid : undefined;
    } catch {
      return undefined;
    }
  }
}

/** When a process was started, in ticks since this machine booted: with its number, it is never that of another. */
function startOf(pid: number): string | undefined {
  try {
    // The second field, the program's name in parentheses, may hold blanks and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
