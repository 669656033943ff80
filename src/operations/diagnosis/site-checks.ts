import { bundleVersionText } from '#contracts';
import { fact, failed, ok, organization, unknown } from './check.js';
import type { DiagnosisCheck, DiagnosisFact } from './diagnosis.dto.js';
import { ENDS, LOST, REFUSALS, WITHHELD } from './site-causes.js';
import type { SiteFacts } from './site-facts.repository.js';

const HOUR_MS = 3_600_000;
/** How long an oddity is shown as one. */
const RECENT_MS = 24 * HOUR_MS;
/** How long a bundle may take before somebody should look. */
const BUNDLE_MS = HOUR_MS;
const MANY_SESSIONS = 10;
/** Uses of a credential are written a little later than they were. */
const USES_MS = 60_000;

/** The checks of a site, in the order of causes. `taking`: whether any server process takes sessions of agents. `newest`: the version that this server brings. */
export function siteChecks(facts: SiteFacts, taking: boolean, newest: string): DiagnosisCheck[] {
  return [
    organization(facts),
    claimed(facts),
    ...standing(facts),
    credential(facts),
    reclaim(facts),
    taking || facts.type === 'local' || facts.online
      ? ok('server', null, [])
      : failed(
          'server',
          null,
          [fact('No server process takes sessions of agents')],
          'Start a server with the role agents (SERVER_ROLES)',
        ),
    connection(facts),
    copies(facts),
    duplicate(facts),
    applied(facts),
    bundle(facts),
    blueprint(facts),
    resources(facts),
    version(facts, newest),
  ];
}

function claimed({ claim, createdAt, type }: SiteFacts): DiagnosisCheck {
  if (!claim)
    return ok('claimed', createdAt, [
      fact(type === 'local' ? 'Made by hand; it needs no agent' : 'Made by hand', createdAt),
    ]);
  return ok('claimed', claim.at, [
    fact(
      claim.keyId === null ? 'Claimed' : `Claimed with the provisioning key ${claim.keyId}`,
      claim.at,
      claim.address,
    ),
  ]);
}

function standing({
  status,
  revokedAt,
  suspendedAt,
  decidedAt,
  decidedBy,
  decisionNote,
  createdAt,
}: SiteFacts): DiagnosisCheck[] {
  const note = decisionNote ? [fact(`Note: ${decisionNote}`)] : [];
  const by = decidedBy === null ? '' : ` by ${decidedBy}`;
  return [
    revokedAt
      ? failed(
          'not_revoked',
          revokedAt,
          [fact('The site was revoked', revokedAt)],
          'Allow a re-claim of this site, if the machine may come back',
        )
      : ok('not_revoked', null, []),
    suspendedAt
      ? failed(
          'not_suspended',
          suspendedAt,
          [fact(`Suspended${by}`, suspendedAt), ...note],
          'Approve the site to bring it back into service',
        )
      : ok('not_suspended', null, []),
    status === 'pending' && !suspendedAt
      ? failed('approved', createdAt, [fact('It waits for approval', createdAt)], 'Approve or reject the site')
      : ok(
          'approved',
          decidedAt ?? createdAt,
          suspendedAt ? [] : [fact(`Approved${by}`, decidedAt ?? createdAt), ...note],
        ),
  ];
}

function credential({ type, credential: one, rotation, reuse, now }: SiteFacts): DiagnosisCheck {
  if (type === 'local') return ok('credential', null, [fact('It needs none')]);
  const reclaim = 'Allow a re-claim of this site, and have the machine claim with a provisioning key';
  if (!one) return failed('credential', null, [fact('It has none')], reclaim);
  const kind = one.kind.replace('_', ' ');
  const facts = [
    fact(`A credential of the kind ${kind}`, one.createdAt),
    ...(one.lastUsedAt ? [fact('Last used', one.lastUsedAt, one.lastUsedAddress)] : []),
    ...(one.until ? [fact(one.usable ? 'It ends' : 'It ended', one.until)] : []),
    ...(rotation ? [fact('Another one was asked for, and the agent has not taken it', rotation.requestedAt)] : []),
    ...(reuse ? [fact('A superseded credential was used', reuse.at, reuse.address)] : []),
  ];
  if (one.usable) return ok('credential', one.createdAt, facts);
  if (one.revokedAt)
    return failed('credential', one.revokedAt, [fact('It was revoked', one.revokedAt), ...facts], reclaim);
  const renewable = one.renewUntil !== null && new Date(one.renewUntil) > now;
  return failed(
    'credential',
    one.until,
    facts,
    renewable
      ? `Start the agent: it renews by itself until ${new Date(one.renewUntil!).toISOString()}; a newt cannot, and needs a re-claim`
      : reclaim,
  );
}

/** Since when a site is away, as far as anybody knows. */
const awaySince = ({ session, lastSeenAt, createdAt }: SiteFacts): Date =>
  session ? new Date(session.endedAt) : (lastSeenAt ?? createdAt);

/** A machine that lost its credential claims again, and is told nothing that helps it. */
function reclaim(facts: SiteFacts): DiagnosisCheck {
  const { reclaim: last, reclaimAllowedUntil, online, now } = facts;
  const allowed =
    reclaimAllowedUntil !== null && (reclaimAllowedUntil === 'infinity' || new Date(reclaimAllowedUntil) > now);
  const evidence = allowed
    ? [
        fact(
          'The next claim of its machine gets a credential',
          reclaimAllowedUntil === 'infinity' ? null : reclaimAllowedUntil,
        ),
      ]
    : [];
  if (!last || online || new Date(last.at) < awaySince(facts)) return ok('reclaim', null, evidence);
  const [text, nextStep] =
    last.outcome !== 'refused'
      ? LOST
      : last.reason === null
        ? WITHHELD
        : (REFUSALS[last.reason] ?? [`(${last.reason})`, LOST[1]]);
  const how = last.outcome === 'refused' ? `and was refused ${text}`.trimEnd() : text;
  const key = last.keyId === null ? '' : ` with the key ${last.keyId}`;
  return failed(
    'reclaim',
    last.at,
    [fact(`Its machine claimed again${key} ${how}`, last.at, last.address), ...evidence],
    allowed ? 'Have the machine claim once more: it gets a credential now' : nextStep,
  );
}

function connection(facts: SiteFacts): DiagnosisCheck {
  const { type, online, address, connectedAt, session, credential: one, recentSessions, lastSeenAt, createdAt } = facts;
  if (type === 'local')
    return ok('connection', createdAt, [fact('A site of type local needs no agent and counts as online')]);
  const before = session ? [fact(ENDS[session.reason]?.[0] ?? session.reason, session.endedAt, session.address)] : [];
  const restless =
    recentSessions >= MANY_SESSIONS ? [fact(`${recentSessions} sessions began within the last hour`)] : [];
  if (online) return ok('connection', connectedAt, [fact('Connected', connectedAt, address), ...restless, ...before]);
  if (!session && !connectedAt)
    return failed(
      'connection',
      createdAt,
      [
        fact('No session since it was made', createdAt),
        ...(one?.lastUsedAt ? [fact('Its credential was used', one.lastUsedAt, one.lastUsedAddress)] : []),
      ],
      'Start the agent on the machine, and look whether it reaches this server',
    );
  const since = awaySince(facts);
  const tries: DiagnosisFact[] =
    one?.lastUsedAt && new Date(one.lastUsedAt).getTime() > since.getTime() + USES_MS
      ? [
          fact(
            'Its credential was used since: the machine reaches the server, and opens no session',
            one.lastUsedAt,
            one.lastUsedAddress,
          ),
        ]
      : [];
  return failed(
    'connection',
    since,
    session
      ? [...before, fact('That session began', session.connectedAt, session.address), ...restless, ...tries]
      : [fact('Last seen', lastSeenAt, address), ...tries],
    tries.length > 0
      ? 'Look at proxies between the machine and this server: requests come through, websockets do not'
      : session
        ? (ENDS[session.reason]?.[1] ?? null)
        : 'Look whether the machine has power and network, and whether its agent runs',
  );
}

/** Whether somebody else has, or claims to have, what this machine has. */
function copies({ contest, clone, reuse, now }: SiteFacts): DiagnosisCheck {
  const recent = (at: string) => now.getTime() - new Date(at).getTime() < RECENT_MS;
  const signs = [
    ...(contest && recent(contest.at)
      ? [fact('Somebody claimed its hardware id and could not show to be it', contest.at, contest.address)]
      : []),
    ...(clone && (clone.held || recent(clone.at))
      ? [fact(`Two copies took leases${clone.held ? '; leases are held back' : ''}`, clone.at)]
      : []),
    ...(reuse && recent(reuse.at) ? [fact('A superseded credential was used', reuse.at, reuse.address)] : []),
  ];
  if (signs.length === 0) return ok('copies', null, []);
  return failed(
    'copies',
    new Date(Math.max(...signs.map(({ at }) => at!.getTime()))),
    signs,
    'Find out who is at that address; where it is not this machine, rotate its credential, or revoke the site',
  );
}

function duplicate({ duplicate: told, guardedUntil, now }: SiteFacts): DiagnosisCheck {
  const guarded = guardedUntil !== null && guardedUntil > now;
  if (!guarded && !(told && now.getTime() - new Date(told.at).getTime() < RECENT_MS))
    return ok('duplicate_session', null, []);
  return failed(
    'duplicate_session',
    told?.at ?? null,
    told
      ? [
          fact(
            'Two machines kept taking this site’s session from each other; this one stayed',
            told.at,
            told.establishedAddress,
          ),
          fact('This one was refused', told.at, told.newcomerAddress),
        ]
      : [fact('A newcomer is being refused', guardedUntil)],
    'Stop the machine that was given this one’s credential',
  );
}

function applied({
  type,
  clientType,
  appliedError,
  appliedVersion,
  desiredVersion,
  status,
}: SiteFacts): DiagnosisCheck {
  if (type === 'local') return ok('state_applied', null, []);
  if (appliedError !== null)
    return failed(
      'state_applied',
      null,
      [fact(`The agent could not apply version ${appliedVersion}: ${appliedError.slice(0, 500)}`)],
      'Mend what the agent says, then have it connect again',
    );
  if (clientType !== 'agent') return unknown('state_applied', null, [fact('A newt does not say what it has applied')]);
  if (status === 'pending')
    return unknown('state_applied', null, [fact('A site that is not approved is sent nothing to apply')]);
  return appliedVersion !== null && appliedVersion >= desiredVersion
    ? ok('state_applied', null, [fact(`Version ${appliedVersion} is applied`)])
    : unknown('state_applied', null, [
        fact(`Version ${desiredVersion} is not acknowledged; ${appliedVersion ?? 'none'} was last`),
      ]);
}

function bundle({ bundle: one, now }: SiteFacts): DiagnosisCheck {
  if (!one) return ok('bundle', null, [fact('It is given no bundle')]);
  const { state, reason, changedAt } = one;
  const version = bundleVersionText(one.version);
  if (state === 'failed')
    return failed(
      'bundle',
      changedAt,
      [fact(`Version ${version} failed: ${(reason ?? 'no reason given').slice(0, 500)}`, changedAt)],
      'Mend the start-up document or its program, then roll out again',
    );
  if (state === 'applied') return ok('bundle', changedAt, [fact(`Version ${version} runs`, changedAt)]);
  const said = [fact(`Version ${version} is ${state} and not applied`, changedAt)];
  return now.getTime() - new Date(changedAt).getTime() > BUNDLE_MS
    ? failed('bundle', changedAt, said, 'Look at the log of the program on the machine: it does not take its bundle')
    : unknown('bundle', changedAt, said);
}

function blueprint({ blueprints, blueprintDue }: SiteFacts): DiagnosisCheck {
  const bad = blueprints.filter(({ succeeded }) => !succeeded);
  if (bad.length > 0)
    return failed(
      'blueprint',
      bad.map(({ at }) => at).reduce((a, b) => (new Date(a) < new Date(b) ? a : b)),
      bad.map(({ kind, message, at }) => fact(`Its document (${kind}) was not applied: ${message}`, at)),
      'Correct the document; it is tried again when it changes',
    );
  if (blueprintDue && blueprintDue.attempts > 0)
    return failed(
      'blueprint',
      null,
      [
        fact(
          `The blueprint of its profile could not be applied ${blueprintDue.attempts} times; tried again`,
          blueprintDue.at,
        ),
      ],
      'Correct the blueprint of the profile',
    );
  if (blueprintDue)
    return unknown('blueprint', null, [fact('The blueprint of its profile is about to be applied', blueprintDue.at)]);
  return ok(
    'blueprint',
    blueprints[0]?.at ?? null,
    blueprints.map(({ kind, at }) => fact(`Its document (${kind}) is applied`, at)),
  );
}

function resources({ targets: { enabled, unhealthy }, online, type }: SiteFacts): DiagnosisCheck {
  if (unhealthy.length > 0)
    return failed(
      'resources',
      null,
      unhealthy.slice(0, 5).map(({ resource, ip, port }) => fact(`${resource}: ${ip}:${port} fails its health check`)),
      'Look at the programs behind these targets, on the machine or its network',
    );
  if (enabled === 0) return ok('resources', null, [fact('No enabled resource has a target here')]);
  const said = [fact(`${enabled} targets, none of them is known to be unhealthy`)];
  return online || type === 'local'
    ? ok('resources', null, said)
    : unknown('resources', null, [fact('Nobody reports on its targets while it is away')]);
}

function version({ type, clientType, agentVersion }: SiteFacts, newest: string): DiagnosisCheck {
  if (type === 'local') return ok('version', null, []);
  if (agentVersion === null) return unknown('version', null, [fact('Its agent has not said which version it is')]);
  if (clientType !== 'agent')
    return unknown('version', null, [fact(`newt ${agentVersion}; this server does not know the newest one`)]);
  const said = [fact(`Agent ${agentVersion}; this server brings ${newest}`)];
  return isOlder(agentVersion, newest)
    ? failed('version', null, said, 'Install the agent anew from this server')
    : ok('version', null, said);
}

/** Of versions as `major.minor.patch`; what follows is passed over. */
export function isOlder(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => text.replace(/^v/, '').split(/[.+-]/).slice(0, 3).map(Number));
  for (let i = 0; i < 3; i++) {
    const [x = 0, y = 0] = [a![i], b![i]];
    if (x !== y) return x < y;
  }
  return false;
}
