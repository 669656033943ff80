import { AgentExit, EXIT } from '../cli/exit-codes.js';
import type { AgentContext } from '../context.js';
import { afterAtLeast, backoff, NETWORK_BACKOFF, retryAfterMs } from '../session/backoff.js';
import { NetworkFailure } from '../session/server-link.js';

/** How long somebody waits for what may come right by itself. */
export type Patience = {
  /** For a server that does not answer: see {@link retry}. */
  until: number;
  /** A refused provisioning key is tried again. */
  refusals: boolean;
};

/** For ever, or with `--no-wait` not at all. */
export function patienceOf(noWait: boolean): Patience {
  return noWait ? { until: 0, refusals: false } : { until: Number.POSITIVE_INFINITY, refusals: true };
}

/**
 * Tries until the server has answered, with backoff and jitter, honouring `Retry-After`.
 * @param until gives up rather than wait beyond this moment of {@link Clock.uptime}; 0 at the first failure
 * @throws AgentExit 69 then; whatever else `attempt` throws
 */
export async function retry<T>(
  context: AgentContext,
  what: string,
  until: number,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof NetworkFailure)) throw error;
      const wait = networkWait(context, error.retryAfter, failures);
      if (context.clock.uptime() + wait > until)
        throw new AgentExit(EXIT.unreachable, `the server cannot be reached (${what}): ${error.message}`);
      context.log.warn(`${what}: ${error.message}; trying again in ${(wait / 1000).toFixed(1)} s`);
      context.status({ phase: 'unreachable', lastError: `${what}: ${error.message}` });
      await context.clock.sleep(wait, `${what}-retry`, context.signal);
    }
  }
}

/** How long to wait after a failure: what the server asked for, otherwise exponential backoff. */
export function networkWait(
  context: Pick<AgentContext, 'clock' | 'random'>,
  retryAfter: string | string[] | undefined,
  failures: number,
): number {
  const asked = retryAfterMs(retryAfter, context.clock.now());
  const own = backoff(NETWORK_BACKOFF, failures, context.random);
  return asked === undefined ? own : Math.max(afterAtLeast(asked, context.random), own);
}
