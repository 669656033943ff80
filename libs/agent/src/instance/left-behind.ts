import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { removeIfThere, writeFileAtomic } from '../config/atomic-file.js';
import type { Log } from '../log.js';
import { endGroup, processOf } from './child.js';

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
    const { started } = processOf(pid);
    try {
      if (started !== undefined) writeFileAtomic(this.path, JSON.stringify({ pid, started }));
    } catch (error) {
      this.log.warn(`if this agent is killed, the next one will not know its program: ${(error as Error).message}`);
    }
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
      const now = processOf(pid);
      return now.started === started && now.state !== 'Z' ? pid : undefined;
    } catch {
      return undefined;
    }
  }
}
