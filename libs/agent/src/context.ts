import type { StatusReport } from './cli/status-file.js';
import type { Clock } from './clock.js';
import type { FileContent } from './config/config-file.js';
import type { Log } from './log.js';

/** What one round of the agent works with. `signal` ends every wait and request of the round. */
export type AgentContext = {
  clock: Clock;
  random: () => number;
  log: Log;
  env: NodeJS.ProcessEnv;
  configFile: string;
  /** Where the machine's own files are, for tests; `/` otherwise. */
  machineRoot: string;
  signal: AbortSignal;
  /** The state file, opened where it is sealed. */
  readFile(): FileContent;
  /** Changes keys of it, `undefined` removes one. @throws AgentExit 73 when it cannot be written */
  updateFile(changes: FileContent): void;
  /** What the last agent with this state file reported when this round began. */
  before: StatusReport | undefined;
  /** Notes what `gatehouse-agent status` shows. */
  status(change: Partial<StatusReport>): void;
};
