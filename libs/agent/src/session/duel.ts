import type { SessionEnd } from './session.js';

/** A session of this length was not taken over: nobody else wants it just now. */
const UNDISTURBED_MS = 600_000;
const ROUNDS = 5;

/**
 * Notices that another agent has the same credential where the machines look alike (a cloned disk, a copied volume): each begins a
 * session, the server ends the other's, and so on for ever. Whoever was sent away so often in a row leaves; the other one stays.
 */
export class Duel {
  private rounds = 0;

  /** @returns whether this agent has lost for good */
  lost(end: SessionEnd): boolean {
    const sentAway = end.kind === 'replaced' || end.kind === 'throttled';
    this.rounds = sentAway && (end.lastedMs ?? 0) < UNDISTURBED_MS ? this.rounds + 1 : 0;
    return this.rounds >= ROUNDS;
  }
}
