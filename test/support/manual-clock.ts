import type { Clock } from '../../libs/agent/src/index.js';

/** A wait that an agent has begun. */
export type Wait = { what: string; ms: number; wake(): void };

/** Time that stands still until a test wakes a wait; nothing in a test sleeps. */
export class ManualClock implements Clock {
  private time = Date.UTC(2026, 0, 1);
  /** What the wall shows more than has passed. */
  private ahead = 0;
  private readonly waits: Wait[] = [];
  private readonly watchers = new Set<() => void>();

  now(): number {
    return this.time + this.ahead;
  }

  uptime(): number {
    return this.time;
  }

  sleep(ms: number, what: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const leave = () => {
        const at = this.waits.indexOf(wait);
        if (at >= 0) this.waits.splice(at, 1);
        signal.removeEventListener('abort', stop);
      };
      const stop = () => {
        leave();
        reject(signal.reason);
      };
      const wait: Wait = {
        what,
        ms,
        wake: () => {
          leave();
          this.time += ms;
          resolve();
        },
      };
      signal.addEventListener('abort', stop, { once: true });
      this.waits.push(wait);
      for (const watcher of this.watchers) watcher();
    });
  }

  /** The first wait of this name, as soon as there is one. */
  async next(what: string): Promise<Wait> {
    for (;;) {
      const wait = this.waits.find((one) => one.what === what);
      if (wait) return wait;
      await new Promise<void>((resolve) => {
        const watcher = () => {
          this.watchers.delete(watcher);
          resolve();
        };
        this.watchers.add(watcher);
      });
    }
  }

  /** Somebody waits for this just now. */
  isAwaited(what: string): boolean {
    return this.waits.some((one) => one.what === what);
  }

  pass(ms: number): void {
    this.time += ms;
  }

  /** Somebody sets the clock on the wall. */
  set(wall: number): void {
    this.ahead = wall - this.time;
  }
}
