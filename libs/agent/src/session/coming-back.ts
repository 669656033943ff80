import type { AgentContext } from '../context.js';
import { networkWait } from '../enrol/retry.js';
import { afterAtLeast, REPLACED_WAIT, retryAfterMs, THROTTLED_WAIT_MS, uniform } from './backoff.js';
import type { SessionEnd } from './session.js';

/** Why the server ended the last session of this machine. An older server says `revoked` whatever happened. */
export function goneBecause(reason: string, id: string): string {
  if (reason === 'rejected' || reason === 'deleted') return `the site of ${id} was ${reason}`;
  return `the credential of site ${id} was revoked`;
}

/** How long to wait before the next session (docs/agent-protocol.md rule 24). */
export function waitAfter(context: AgentContext, end: SessionEnd, failures: number): number {
  const { clock, random } = context;
  if (end.kind === 'replaced') return uniform(REPLACED_WAIT, random);
  if (end.kind === 'throttled')
    return afterAtLeast(retryAfterMs(end.retryAfter, clock.now()) ?? THROTTLED_WAIT_MS, random);
  return end.reconnectAfterMs ?? networkWait(context, end.retryAfter, failures);
}
