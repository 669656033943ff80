import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { AgentBlueprintKind, AgentSiteStatus } from '../../../contracts/index.js';
import { isRunning, removeIfThere } from '../config/atomic-file.js';

export type Phase = 'starting' | 'claiming' | 'refused' | 'unreachable' | 'connecting' | 'connected' | 'stopped';

/** What a running agent leaves beside its config file for `gatehouse-agent status`. No secret is in it. */
export type StatusReport = {
  pid: number;
  phase: Phase;
  updatedAt: string;
  endpoint?: string;
  newtId?: string;
  siteId?: number;
  niceId?: string;
  siteStatus?: AgentSiteStatus;
  connectedSince?: string | null;
  desiredVersion?: number;
  appliedVersion?: number;
  lastError?: string | null;
  blueprints?: Partial<Record<AgentBlueprintKind, BlueprintOutcome>>;
};

/** What became of a blueprint last; `not sent`: it is wrong or missing here, or not wanted. `problem` is the first one. */
export type BlueprintOutcome = { outcome: 'applied' | 'refused' | 'not sent'; at: string; problem: string | null };

/** A report not renewed for this long belongs to an agent that is gone: heartbeats renew it. */
const STALE_MS = 5 * 60_000;

export function statusPath(configFile: string): string {
  return `${configFile.replace(/\.json$/, '')}.status.json`;
}

/** Replaces the report. It is a convenience: lost in a power cut, and an unwritable directory is no error. */
export function writeStatus(configFile: string, report: StatusReport): void {
  const path = statusPath(configFile);
  const temporary = `${path}.${report.pid}.tmp`;
  try {
    writeFileSync(temporary, JSON.stringify(report, null, 2), { mode: 0o600 });
    renameSync(temporary, path);
  } catch {
    removeIfThere(temporary);
  }
}

/** The report of the last or the running agent, with whether it is running; undefined when there is none. */
export function readStatus(configFile: string, now: number): (StatusReport & { running: boolean }) | undefined {
  try {
    const report = JSON.parse(readFileSync(statusPath(configFile), 'utf8')) as StatusReport;
    const running =
      report.phase !== 'stopped' && isRunning(report.pid) && now - Date.parse(report.updatedAt) < STALE_MS;
    return { ...report, running };
  } catch {
    return undefined;
  }
}
