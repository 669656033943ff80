import { EXIT, type ExitCode } from '../cli/exit-codes.js';
import type { FileContent } from '../config/config-file.js';
import { InstanceState } from './instance-state.js';

/**
 * What `gatehouse-agent bundle status` prints, and its exit code: 0 there is a lease, 69 there is none, 77 refused or revoked, 78 this machine is
 * not enrolled. It reads what an agent has left, and asks nobody.
 * @throws AgentExit 73 when that cannot be read
 */
export function bundleStatus(configFile: string, file: FileContent, json: boolean): { code: ExitCode; text: string } {
  const { facts } = InstanceState.open(configFile);
  const own = facts && (file['id'] === undefined || facts.site === file['id']) ? facts : undefined;
  const end = own?.lease && new Date(own.lease.time.taken + own.lease.seconds * 1000).toISOString();
  const summary = {
    site: own?.site ?? file['id'] ?? null,
    appliedVersion: own?.applied || null,
    storedVersion: own?.bundle?.version ?? null,
    leaseTaken: own?.lease ? new Date(own.lease.time.taken).toISOString() : null,
    leaseEnds: end ?? null,
    signingKey: own?.trust.at(-1)?.kid ?? null,
    failed: own?.failed ?? null,
    refused: own?.refused ?? null,
    revoked: own?.revoked ? { at: own.revoked.at, reason: own.revoked.reason } : null,
  };
  const code =
    summary.revoked || summary.refused
      ? EXIT.refused
      : end
        ? EXIT.ok
        : summary.site
          ? EXIT.unreachable
          : EXIT.configuration;
  if (json) return { code, text: `${JSON.stringify(summary, null, 2)}\n` };
  const { failed, revoked } = summary;
  const rows: [string, unknown][] = [
    ['site', summary.site ?? 'not enrolled'],
    ['applied', summary.appliedVersion ?? 'no bundle yet'],
    ['stored', summary.storedVersion ?? 'no bundle: without the server nothing starts'],
    ['lease', end ? `taken at ${summary.leaseTaken}, ends at ${end}` : 'none'],
    ['signing key', summary.signingKey ?? 'none seen yet'],
    ...(failed ? [['failed', `bundle ${failed.version} at ${failed.at}: ${failed.reason}`] as [string, string]] : []),
    ...(summary.refused ? [['refused', `since ${summary.refused}`] as [string, string]] : []),
    ...(revoked ? [['revoked', `${revoked.reason} at ${revoked.at}`] as [string, string]] : []),
  ];
  return { code, text: rows.map(([name, value]) => `${name.padEnd(12)} ${String(value)}\n`).join('') };
}
