import { AgentExit, EXIT } from '../cli/exit-codes.js';
import type { AgentContext } from '../context.js';
import { afterAtLeast, backoff, NETWORK_BACKOFF, retryAfterMs } from '../session/backoff.js';
import { NetworkFailure } from '../session/server-link.js';

/**
 * Tries until the server has answered, with backoff and jitter, honouring `Retry-After`.
 * @param noWait give up at the first failure instead
 * @throws AgentExit 69 with noWait; whatever else `attempt` throws
 */
export async function retry<T>(
  context: AgentContext,
  what: string,
  noWait: boolean,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof NetworkFailure)) throw error;
      if (noWait) throw new AgentExit(EXIT.unreachable, `the server cannot be reached (${what}): ${error.message}`);
      const wait = networkWait(context, error.retryAfter, failures);
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
