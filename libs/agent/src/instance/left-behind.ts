import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { removeIfThere, writeFileAtomic } from '../config/atomic-file.js';
import type { Log } from '../log.js';
import { endGroup, processOf } from './child.js';

type Left = { pid: number; started: string; graceMs: number };

/**
 * Which program an agent has started, for the next one: an agent that is killed leaves its program running, and two of it must not run at
 * once. Linux only: elsewhere a process cannot be told from a later one of the same number.
 */
export class LeftBehind {
  constructor(
    private readonly path: string,
    private readonly log: Log,
  ) {}

  /** @param graceMs how long it may take to end */
  note(pid: number, graceMs: number): void {
    const { started } = processOf(pid);
    try {
      if (started !== undefined) writeFileAtomic(this.path, JSON.stringify({ pid, started, graceMs }));
    } catch (error) {
      this.log.warn(`if this agent is killed, the next one will not know its program: ${(error as Error).message}`);
    }
  }

  forget(): void {
    removeIfThere(this.path);
  }

  /** Ends the group of the program that an earlier agent left running, if it did: SIGTERM, SIGKILL after the grace. */
  async end(): Promise<void> {
    const left = this.running();
    if (left) {
      this.log.warn(`process ${left.pid}, started by an agent that was killed, is ended first`);
      await endGroup(left.pid, performance.now() + left.graceMs);
    }
    this.forget();
  }

  private running(): Left | undefined {
    try {
      const left = JSON.parse(readFileSync(this.path, 'utf8')) as Left;
      const now = processOf(left.pid);
      return now.started === left.started && now.state !== 'Z' ? left : undefined;
    } catch {
      return undefined;
    }
  }
}
