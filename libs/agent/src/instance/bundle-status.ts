import { EXIT, type ExitCode } from '../cli/exit-codes.js';
import { siteLabel } from '../cli/site-label.js';
import { readStatus } from '../cli/status-file.js';
import type { Clock } from '../clock.js';
import type { FileContent } from '../config/config-file.js';
import type { Settings } from '../config/settings.js';
import { lifetimeOf, siteOf } from '../credential/credential.js';
import { trustedBy } from '../enrol/claim.js';
import { type InstanceFacts, InstanceState } from './instance-state.js';
import { counted, momentOf } from './lease-time.js';
import { pinned, TrustChain } from './trust.js';

/**
 * What `gatehouse-agent bundle status` prints, and its exit code: 0 there is a lease, 69 there is none any more, or not yet, 77 refused or revoked,
 * 78 this machine is not enrolled. It reads what an agent has left, and asks nobody.
 * @throws AgentExit 73 when that cannot be read, 78 for a trust fingerprint that is none
 */
export async function bundleStatus(
  configFile: string,
  file: FileContent,
  settings: Settings,
  { json, clock, machineRoot }: { json: boolean; clock: Clock; machineRoot: string },
): Promise<{ code: ExitCode; text: string }> {
  const { facts } = InstanceState.open(configFile);
  const enrolledAs = settings.id === '' ? undefined : settings.id;
  const own = facts && (enrolledAs === undefined || facts.site === siteOf(file, enrolledAs)) ? facts : undefined;
  const site = own?.site ?? enrolledAs;
  const report = await readStatus(configFile, clock.now());
  const named = site !== undefined && report?.newtId === (enrolledAs ?? site) ? report : undefined;
  const lease = own?.lease && leaseOf(own.lease, clock, machineRoot);
  const trust = trustedBy(settings, file);
  const chain = trust === '' ? own?.trust : TrustChain.from(pinned(trust), own?.trust ?? []).keys;
  const key = chain?.at(-1);
  const summary = {
    site: site ?? null,
    niceId: named?.niceId ?? null,
    status: named?.siteStatus ?? null,
    agent: report?.running ? report.phase : null,
    credentialExpires: lifetimeOf(file, settings.id).expiresAt ?? null,
    appliedVersion: own?.applied || null,
    storedVersion: own?.bundle?.version ?? null,
    leaseTaken: lease?.taken ?? null,
    leaseEnds: lease?.ends ?? null,
    signingKey: key?.kid ?? null,
    failed: own?.failed ?? null,
    refused: own?.refused ?? null,
    revoked: own?.revoked ? { at: own.revoked.at, reason: own.revoked.reason } : null,
  };
  const { failed, refused, revoked } = summary;
  const code =
    revoked || refused
      ? EXIT.refused
      : site === undefined
        ? EXIT.configuration
        : lease && !lease.over
          ? EXIT.ok
          : EXIT.unreachable;
  if (json) return { code, text: `${JSON.stringify(summary, null, 2)}\n` };
  const problem = report?.running && report.phase === 'unreachable' && report.lastError ? `: ${report.lastError}` : '';
  const rows: [string, string][] = [
    ['site', site === undefined ? 'not enrolled' : describeSite(site, named)],
    ['agent', report?.running ? `running, ${report.phase}${problem}` : 'not running'],
    ['applied', `${summary.appliedVersion ?? 'no bundle yet'}`],
    ['stored', `${summary.storedVersion ?? 'no bundle: without the server nothing starts'}`],
    ['lease', revoked ? 'none: the site is over' : (lease?.text ?? 'none')],
    ['signing key', key ? `${key.kid}${key.jwk ? '' : ', of which nothing was seen yet'}` : 'none yet'],
  ];
  if (summary.credentialExpires) rows.push(['credential', `expires at ${summary.credentialExpires}`]);
  if (failed) rows.push(['failed', `bundle ${failed.version} at ${failed.at}: ${failed.reason}`]);
  if (refused) rows.push(['refused', `since ${refused}: nothing starts from what is stored`]);
  if (revoked) rows.push(['revoked', `${revoked.reason} at ${revoked.at}: nothing of the site starts again`]);
  return { code, text: rows.map(([name, value]) => `${name.padEnd(12)} ${value}\n`).join('') };
}

function describeSite(site: string, report: Awaited<ReturnType<typeof readStatus>>): string {
  const { siteId, niceId, name, siteStatus } = report ?? {};
  const label = siteId === undefined || niceId === undefined ? site : siteLabel({ siteId, niceId, name: name ?? null });
  return siteStatus === 'pending' ? `${label}, waits for its approval` : label;
}

/** By the clocks that count it: a wall that was set moves its end. */
function leaseOf({ seconds, time }: NonNullable<InstanceFacts['lease']>, clock: Clock, machineRoot: string) {
  const now = momentOf(clock, machineRoot);
  const left = seconds * 1000 - counted(time, now).elapsed;
  const [taken, ends] = [time.taken, now.wall + left].map((at) => new Date(at).toISOString());
  return { taken, ends, over: left <= 0, text: `taken at ${taken}, ${left > 0 ? 'ends' : 'ended'} at ${ends}` };
}
