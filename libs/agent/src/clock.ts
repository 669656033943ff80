import { uptime } from 'node:os';

/** Time as the agent sees it; a test brings its own and waits for nothing. */
export type Clock = {
  now(): number;
  /** Milliseconds since the machine booted, asleep or not: nobody sets it. */
  uptime(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted. `what` names the wait. */
  sleep(ms: number, what: string, signal: AbortSignal): Promise<void>;
};

export const systemClock: Clock = {
  now: Date.now,
  uptime: () => uptime() * 1000,
  sleep(ms, _what, signal) {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', stop);
        resolve();
      }, ms);
      signal.addEventListener('abort', stop, { once: true });
    });
  },
};
