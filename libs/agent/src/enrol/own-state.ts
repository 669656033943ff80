import { AgentExit, EXIT } from '../cli/exit-codes.js';
import { lastReport } from '../cli/status-file.js';
import { lockState, type StateLock } from '../config/state-lock.js';
import type { Log } from '../log.js';

/**
 * One agent at a time uses a state file; this one waits for another to end (docs/adr/0030-one-agent-per-state-file.md).
 * @param waiting told before each wait that another has it, and that it has it no longer
 * @returns undefined where the folder takes no lock
 * @throws AgentExit 75 with noWait while another has it
 */
export async function ownState(
  configFile: string,
  log: Log,
  noWait: boolean,
  signal: AbortSignal,
  waiting: (waits: boolean) => void,
): Promise<StateLock | undefined> {
  for (;;) {
    const attempt = await lockState(configFile);
    waiting(attempt.kind === 'busy');
    if (attempt.kind === 'held') return attempt;
    if (attempt.kind === 'impossible') {
      log[attempt.expected ? 'debug' : 'warn'](
        `another agent with ${configFile} would not be noticed: ${attempt.reason}`,
      );
      return undefined;
    }
    const other = lastReport(configFile);
    const who = `another agent runs with ${configFile}${other ? ` (process ${other.pid}, ${other.phase})` : ''}`;
    if (noWait) {
      attempt.leave();
      throw new AgentExit(EXIT.pending, who);
    }
    log.warn(`${who}; this one waits until it has ended`);
    signal.addEventListener('abort', attempt.leave, { once: true });
    if (signal.aborted) attempt.leave();
    await attempt.ended;
    signal.removeEventListener('abort', attempt.leave);
    signal.throwIfAborted();
  }
}
