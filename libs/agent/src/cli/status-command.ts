import type { AgentBlueprintKind } from '../../../contracts/index.js';
import type { Resolved } from '../config/options.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { siteLabel } from './site-label.js';
import { type BlueprintOutcome, readStatus, type ShownCredential } from './status-file.js';

type Summary = {
  configFile: string;
  enrolled: boolean;
  running: boolean;
  connected: boolean;
  endpoint: string | null;
  newtId: string | null;
  siteId: number | null;
  niceId: string | null;
  name: string | null;
  status: string | null;
  connectedSince: string | null;
  desiredVersion: number;
  appliedVersion: number;
  lastError: string | null;
  /** null: no agent has used one yet. */
  credential: ShownCredential | null;
  /** null: none was ever read. */
  blueprints: Record<AgentBlueprintKind, BlueprintOutcome | null>;
};

const BLUEPRINTS: readonly [
  kind: AgentBlueprintKind,
  name: string,
  setting: 'blueprintFile' | 'provisioningBlueprintFile' | 'dockerSocket',
][] = [
  ['file', 'blueprint', 'blueprintFile'],
  ['bootstrap', 'provisioning', 'provisioningBlueprintFile'],
  ['labels', 'labels', 'dockerSocket'],
];

/**
 * What `gatehouse-agent status` prints, and its exit code: 0 connected and approved, 75 connected and waiting for approval,
 * 69 enrolled but not connected, 77 refused by the server, 78 not enrolled.
 */
export async function statusCommand(
  configFile: string,
  resolved: Resolved,
  json: boolean,
  now: number,
): Promise<{ code: ExitCode; text: string }> {
  const { settings } = resolved;
  const report = await readStatus(configFile, now);
  const enrolled = settings.id !== '' && settings.secret !== '';
  const connected = report?.running === true && report.phase === 'connected';
  const summary: Summary = {
    configFile,
    enrolled,
    running: report?.running ?? false,
    connected,
    endpoint: settings.endpoint || null,
    newtId: settings.id || null,
    siteId: report?.siteId ?? null,
    niceId: report?.niceId ?? null,
    name: report?.name ?? null,
    status: report?.siteStatus ?? null,
    connectedSince: connected ? (report.connectedSince ?? null) : null,
    desiredVersion: report?.desiredVersion ?? 0,
    appliedVersion: report?.appliedVersion ?? 0,
    lastError: report?.lastError ?? null,
    credential: report?.credential ?? null,
    blueprints: {
      file: report?.blueprints?.file ?? null,
      bootstrap: report?.blueprints?.bootstrap ?? null,
      labels: report?.blueprints?.labels ?? null,
    },
  };
  const code = connected
    ? summary.status === 'pending'
      ? EXIT.pending
      : EXIT.ok
    : report?.phase === 'refused'
      ? EXIT.refused
      : enrolled
        ? EXIT.unreachable
        : EXIT.configuration;
  return { code, text: json ? `${JSON.stringify(summary, null, 2)}\n` : sentences(summary, settings) };
}

function sentences(summary: Summary, settings: Resolved['settings']): string {
  const { siteId, niceId, name } = summary;
  const site = siteId === null || niceId === null ? (summary.newtId ?? '') : siteLabel({ siteId, niceId, name });
  const rows: [string, string][] = [
    ['enrolled', summary.enrolled ? `yes, ${site}` : 'no'],
    ['server', summary.endpoint ?? 'none'],
    ['config file', summary.configFile],
    ['agent', summary.running ? 'running' : 'not running'],
    ['session', summary.connected ? `connected since ${summary.connectedSince}` : 'not connected'],
    ['site', summary.status ?? 'unknown'],
    ['configuration', `version ${summary.appliedVersion} applied, ${summary.desiredVersion} wanted`],
  ];
  if (summary.credential !== null) rows.push(['credential', credentialText(summary.credential)]);
  for (const [kind, name, setting] of BLUEPRINTS) {
    const last = summary.blueprints[kind];
    if (last) rows.push([name, `${last.outcome} at ${last.at}${last.problem === null ? '' : `: ${last.problem}`}`]);
    else if (settings[setting] !== '') rows.push([name, 'nothing sent yet']);
  }
  if (summary.lastError !== null) rows.push(['last error', summary.lastError]);
  return rows.map(([name, value]) => `${name.padEnd(14)} ${value}\n`).join('');
}

function credentialText({ kind, expiresAt, renewAt, next }: ShownCredential): string {
  const end = expiresAt === null ? 'no known end' : `expires at ${expiresAt}`;
  return [
    kind,
    end,
    ...(renewAt === null ? [] : [`renewed at ${renewAt}`]),
    ...(next ? ['the next one is stored'] : []),
  ].join(', ');
}
