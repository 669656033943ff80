import { fact, failed, ok, organization, unknown } from './check.js';
import type { DiagnosisCheck } from './diagnosis.dto.js';
import type { ResourceFacts, TargetFacts } from './resource-facts.repository.js';

const SHOWN = 5;
const named = ({ ip, port, siteName }: TargetFacts) => `${ip}:${port} at ${siteName}`;

/** The checks of a resource, in the order of causes. */
export function resourceChecks(facts: ResourceFacts): DiagnosisCheck[] {
  const usable = facts.targets.filter(({ enabled }) => enabled);
  const reached = usable.filter(({ state }) => state === 'online');
  return [
    organization(facts),
    enabled(facts),
    domain(facts),
    maintenance(facts),
    targets(facts, usable),
    sites(usable, reached),
    health(reached),
    unknown('traffic', null, [fact('Requests are not counted: what arrives here is not known')]),
  ];
}

function enabled({ enabled: on, waitsFor, createdAt }: ResourceFacts): DiagnosisCheck {
  if (waitsFor !== null)
    return failed(
      'enabled',
      createdAt,
      [fact(`It waits for the approval of the site ${waitsFor}`, createdAt)],
      'Approve the site that declares it',
    );
  return on
    ? ok('enabled', null, [])
    : failed('enabled', null, [fact('The resource is disabled')], 'Enable the resource');
}

function domain({ http, protocol, proxyPort, portError, domain: one, fullDomain }: ResourceFacts): DiagnosisCheck {
  if (portError !== null)
    return failed(
      'domain',
      null,
      [fact(`It has no port: ${portError}`)],
      'Free the port, or give the resource another one',
    );
  if (!http) return ok('domain', null, [fact(`It needs none: ${protocol} port ${proxyPort}`)]);
  if (!one || fullDomain === null)
    return failed('domain', null, [fact('It has no domain')], 'Give the resource a domain');
  if (one.verified) return ok('domain', null, [fact(`${fullDomain}, under the verified domain ${one.baseDomain}`)]);
  const missing = one.records.filter(({ verified }) => !verified);
  return failed(
    'domain',
    null,
    [
      fact(`The domain ${one.baseDomain} is not verified${one.errorMessage === null ? '' : `: ${one.errorMessage}`}`),
      ...missing.map(({ type, name, value }) => fact(`Not found: ${type} ${name} ${value}`)),
      ...(one.nextTryAt === null ? [] : [fact('It is looked up again', one.nextTryAt)]),
    ],
    one.failed ? 'Set the records, then verify the domain again' : 'Set the records where the domain is kept',
  );
}

function maintenance({ maintenance: mode }: ResourceFacts): DiagnosisCheck {
  if (mode === 'forced')
    return failed('maintenance', null, [fact('The maintenance page is shown to everybody')], 'Switch maintenance off');
  return ok(
    'maintenance',
    null,
    mode === null ? [] : [fact('The maintenance page is shown while no target is healthy')],
  );
}

function targets({ targetTotal }: ResourceFacts, usable: TargetFacts[]): DiagnosisCheck {
  if (targetTotal === 0) return failed('targets', null, [fact('It has no target')], 'Add a target');
  if (usable.length === 0)
    return failed('targets', null, [fact(`All its ${targetTotal} targets are disabled`)], 'Enable a target');
  return ok('targets', null, [fact(`${usable.length} of ${targetTotal} targets are enabled`)]);
}

/** One site that is there is enough: the others are told of. */
function sites(usable: TargetFacts[], reached: TargetFacts[]): DiagnosisCheck {
  const away = [...new Map(usable.filter(({ state }) => state !== 'online').map((one) => [one.siteId, one])).values()];
  const said = away
    .slice(0, SHOWN)
    .map(({ siteName, siteId, state, awaySince }) =>
      fact(`The site ${siteName} (${siteId}) is ${state.replace('_', ' ')}`, awaySince),
    );
  if (usable.length === 0) return unknown('sites', null, [fact('No target is enabled')]);
  if (reached.length > 0) return ok('sites', null, said);
  const since = away.map(({ awaySince }) => awaySince).filter((at) => at !== null);
  return failed(
    'sites',
    since.length === away.length ? since.reduce((a, b) => (new Date(a) > new Date(b) ? a : b)) : null,
    said,
    `Read the diagnosis of the site ${away[0]!.siteName} (GET /site/${away[0]!.siteId}/diagnosis)`,
  );
}

function health(reached: TargetFacts[]): DiagnosisCheck {
  if (reached.length === 0) return unknown('target_health', null, [fact('No site of a target is online to check it')]);
  const bad = reached.filter(({ checked, health: is }) => checked && is === 'unhealthy');
  const good = reached.filter(({ checked, health: is }) => checked && is === 'healthy');
  const said = bad.slice(0, SHOWN).map((one) => fact(`${named(one)} fails its health check`));
  if (bad.length === reached.length)
    return failed('target_health', null, said, 'Look at the program behind these targets, on its machine or network');
  if (good.length > 0)
    return ok('target_health', null, [fact(`${good.length} of ${reached.length} targets are healthy`), ...said]);
  return unknown('target_health', null, [
    ...said,
    fact(
      reached.some(({ checked }) => checked)
        ? 'The other targets have not been checked yet'
        : 'No target has a health check',
    ),
  ]);
}
