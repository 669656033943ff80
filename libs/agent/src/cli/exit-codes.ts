/** How the agent ends (docs/agent-protocol.md rule 28). A supervisor restarts on 69, 70 and 75 and leaves 64, 73, 77 and 78 alone. */
export const EXIT = {
  ok: 0,
  usage: 64,
  /** The bundle is not to be believed, or none can be made; of `blueprint check`: the document has problems. */
  data: 65,
  /** Of `blueprint check`: there is no such file. */
  noInput: 66,
  unreachable: 69,
  internal: 70,
  stateNotWritable: 73,
  pending: 75,
  serverTooOld: 76,
  refused: 77,
  configuration: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the agent with this code; the message is for the person who reads the log. */
export class AgentExit extends Error {
  constructor(
    readonly code: ExitCode,
    message: string,
  ) {
    super(message);
    this.name = 'AgentExit';
  }
}

/** A wrong setting: exit 78. */
export function misconfigured(message: string): AgentExit {
  return new AgentExit(EXIT.configuration, message);
}
