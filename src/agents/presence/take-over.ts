/** Take-overs within the window that a site may have before the established session stays. */
const ALLOWED = 3;
export const TAKE_OVER_WINDOW_MS = 60_000;

/** What the presence row of a site says when a newcomer arrives; times in milliseconds of the database's clock. */
export interface Established {
  /** null: the site is offline. */
  sessionId: string | null;
  takeOvers: number[];
  guardedUntil: number | null;
}

/**
 * `begin`: nobody to take over from. `take_over`: the established session is closed with 4001.
 * `guard`: refuse, and keep refusing for a minute; reported once. `refuse`: the guard stands.
 */
export type Verdict = 'begin' | 'take_over' | 'guard' | 'refuse';

/**
 * The newest session of a site wins, but after 3 take-overs within 60 s the established one stays and newcomers are refused for 60 s:
 * two clones of one credential must not duel at full speed (docs/agent-protocol.md rule 15).
 */
export function judge(established: Established, now: number): Verdict {
  if (established.sessionId === null) return 'begin';
  if (established.guardedUntil !== null && established.guardedUntil > now) return 'refuse';
  const recent = established.takeOvers.filter((at) => at > now - TAKE_OVER_WINDOW_MS);
  return recent.length < ALLOWED ? 'take_over' : 'guard';
}
