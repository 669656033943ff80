import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { AgentBlueprintKind, AgentSiteStatus } from '../../../contracts/index.js';
import { isRunning, removeIfThere, resolveLinks } from '../config/atomic-file.js';
import { isLocked } from '../config/state-lock.js';

export type Phase = 'starting' | 'claiming' | 'refused' | 'unreachable' | 'connecting' | 'connected' | 'stopped';

/** What a running agent leaves beside its config file for `gatehouse-agent status`. No secret is in it. */
export type StatusReport = {
  pid: number;
  phase: Phase;
  /** It holds the lock of the state file: it runs as long as that is held. */
  locked?: boolean;
  updatedAt: string;
  endpoint?: string;
  newtId?: string;
  siteId?: number;
  niceId?: string;
  name?: string;
  siteStatus?: AgentSiteStatus;
  connectedSince?: string | null;
  desiredVersion?: number;
  appliedVersion?: number;
  lastError?: string | null;
  credential?: ShownCredential;
  blueprints?: Partial<Record<AgentBlueprintKind, BlueprintOutcome>>;
};

/** Of the credential in use. `next`: another one is stored beside it, and not used yet. Without an end both times are null. */
export type ShownCredential = {
  kind: 'newt' | 'certificate';
  expiresAt: string | null;
  renewAt: string | null;
  next: boolean;
};

/** What became of a blueprint last; `not sent`: it is wrong or missing here, or not wanted. `problem` is the first one. */
export type BlueprintOutcome = { outcome: 'applied' | 'refused' | 'not sent'; at: string; problem: string | null };

/** A report not renewed for this long belongs to an agent that is gone: heartbeats renew it. */
const STALE_MS = 5 * 60_000;

/** Beside the file that the path leads to: two paths to one file are one agent. */
export function statusPath(configFile: string): string {
  let target = configFile;
  try {
    target = resolveLinks(configFile);
  } catch {
    // said where the file is read
  }
  return `${target.replace(/\.json$/, '')}.status.json`;
}

/** Replaces the report. It is a convenience: lost in a power cut, and an unwritable directory is no error. */
export function writeStatus(configFile: string, report: StatusReport): void {
  const path = statusPath(configFile);
  const temporary = `${path}.${report.pid}.tmp`;
  removeIfThere(temporary);
  try {
    // Never through a link that somebody else has put there.
    writeFileSync(temporary, JSON.stringify(report, null, 2), { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
  } catch {
    removeIfThere(temporary);
  }
}

/** The report of the last or the running agent as it was left; undefined when there is none. */
export function lastReport(configFile: string): StatusReport | undefined {
  try {
    return JSON.parse(readFileSync(statusPath(configFile), 'utf8')) as StatusReport;
  } catch {
    return undefined;
  }
}

/** The report with whether its agent is running: an id of a process may be another's by now, the lock is not. */
export async function readStatus(
  configFile: string,
  now: number,
): Promise<(StatusReport & { running: boolean }) | undefined> {
  const report = lastReport(configFile);
  if (report === undefined) return undefined;
  const alive = report.locked
    ? await isLocked(configFile)
    : isRunning(report.pid) && now - Date.parse(report.updatedAt) < STALE_MS;
  return { ...report, running: report.phase !== 'stopped' && alive };
}
