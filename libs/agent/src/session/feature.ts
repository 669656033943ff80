import type { AgentState, AgentWelcome, FromAgent } from '../../../contracts/index.js';

/** Lost when the link is: whoever needs an answer waits for it, or sends again over the next session. */
export type Send = (message: FromAgent) => void;

/**
 * What an agent does over its sessions: it is attached to the beginning, the states and the end of each, and lives longer than any.
 * Features are called in the order of the agent's list.
 */
export type SessionFeature = {
  welcomed?(welcome: AgentWelcome, send: Send): void;
  /** Makes its part of a state real. A rejection is told to the server as `ok: false`, and the features behind are not asked. */
  apply?(state: AgentState): Promise<void>;
  /** After each acknowledged (no error) or refused state. */
  applied?(state: AgentState, error: string | undefined): void;
  /** A message that is not the session's own. Returns whether it is this feature's. */
  received?(type: string, data: unknown): boolean;
  /** A heartbeat was sent. */
  heartbeat?(): void;
  disconnected?(): void;
};
