/** Why a session of a site ended, in its row and in `site.offline` (docs/agent-protocol.md rule 53). A word never gets a new meaning. */
export const SESSION_ENDS = [
  /** The agent closed it. */
  'closed',
  /** The connection broke without a close. */
  'connection_lost',
  /** Nothing came for so long that the server closed it. */
  'silent',
  /** The agent did not read what it was sent. */
  'unread',
  /** A newer session of the site took its place. */
  'replaced',
  /** An operator had the agent connect again. */
  'restart',
  'credential_ended',
  'revoked',
  'rejected',
  'deleted',
  /** Its organization was closed. */
  'org_closed',
  /** The server stopped in good order. */
  'server_stopped',
  /** The server died, or lost its lease. */
  'server_lost',
  /** It was registered and never opened: the agent had left, or its connection. */
  'not_accepted',
] as const;
export type SessionEnd = (typeof SESSION_ENDS)[number];
