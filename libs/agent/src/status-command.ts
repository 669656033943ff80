import type { Resolved } from './options.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { readStatus } from './status-file.js';

type Summary = {
  enrolled: boolean;
  running: boolean;
  connected: boolean;
  endpoint: string | null;
  newtId: string | null;
  siteId: number | null;
  niceId: string | null;
  status: string | null;
  connectedSince: string | null;
  desiredVersion: number;
  appliedVersion: number;
  lastError: string | null;
};

/**
 * What `gatehouse-agent status` prints, and its exit code: 0 connected and approved, 75 connected and waiting for approval,
 * 69 enrolled but not connected, 77 refused by the server, 78 not enrolled.
 */
export function statusCommand(configFile: string, resolved: Resolved, json: boolean, now: number): { code: ExitCode; text: string } {
  const { settings } = resolved;
  const report = readStatus(configFile, now);
  const enrolled = settings.id !== '' && settings.secret !== '';
  const connected = report?.running === true && report.phase === 'connected';
  const summary: Summary = {
    enrolled,
    running: report?.running ?? false,
    connected,
    endpoint: settings.endpoint || null,
    newtId: settings.id || null,
    siteId: report?.siteId ?? null,
    niceId: report?.niceId ?? null,
    status: report?.siteStatus ?? null,
    connectedSince: connected ? (report.connectedSince ?? null) : null,
    desiredVersion: report?.desiredVersion ?? 0,
    appliedVersion: report?.appliedVersion ?? 0,
    lastError: report?.lastError ?? null,
  };
  const code = connected
    ? summary.status === 'pending' ? EXIT.pending : EXIT.ok
    : report?.phase === 'refused' ? EXIT.refused : enrolled ? EXIT.unreachable : EXIT.configuration;
  return { code, text: json ? `${JSON.stringify(summary, null, 2)}\n` : sentences(summary) };
}

function sentences(summary: Summary): string {
  const site = summary.siteId === null ? (summary.newtId ?? '') : `${summary.niceId} (site ${summary.siteId})`;
  const rows: [string, string][] = [
    ['enrolled', summary.enrolled ? `yes, ${site}` : 'no'],
    ['server', summary.endpoint ?? 'none'],
    ['agent', summary.running ? 'running' : 'not running'],
    ['session', summary.connected ? `connected since ${summary.connectedSince}` : 'not connected'],
    ['site', summary.status ?? 'unknown'],
    ['configuration', `version ${summary.appliedVersion} applied, ${summary.desiredVersion} wanted`],
  ];
  if (summary.lastError !== null) rows.push(['last error', summary.lastError]);
  return rows.map(([name, value]) => `${name.padEnd(14)} ${value}\n`).join('');
}
