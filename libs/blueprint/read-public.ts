import { isLabels, LABELS_RULE, nameKey } from '#contracts';
import { Fields, shown } from '#document';
import { CHOICES, INTS, RESPONSE_TIMEOUT_SECONDS, TEXTS } from './field-rules.js';
import type { Auth, Maintenance, PublicEntry, PublicResource, Target, TargetRights } from './model.js';
import { readMode } from './read-mode.js';
import { readHeaders, readTarget } from './read-target.js';
import { MAX_RULE_VALUE, readRuleValue } from './rule-values.js';

const SERVED = ['http', 'tcp', 'udp'] as const;
const LATER = ['ssh', 'rdp', 'vnc'] as const;
const HTTP_ONLY = [
  'full-domain',
  'headers',
  'host-header',
  'tls-server-name',
  'response-timeout-seconds',
  'stale-seconds',
  'rules',
  'apply-rules',
  'maintenance',
  'auth',
];

/** One entry of `public-resources` (docs/blueprints.md "The document"); `operators`: of an operator's document. */
export function readPublic(key: string, f: Fields, operators: boolean): PublicEntry {
  if (f.has('targets') && f.hasOnly('targets')) return { key, targetsOnly: true, targets: readTargets(f) };
  const mode = readMode(f, SERVED, LATER);
  const resource: PublicResource = {
    key,
    targetsOnly: false,
    name: f.need('name', f.text('name', TEXTS.name), ''),
    mode: SERVED.find((one) => one === mode) ?? 'http',
    enabled: f.bool('enabled') ?? true,
    ssl: f.bool('ssl') ?? true,
    scheme: f.choice('scheme', CHOICES.scheme) ?? null,
    fullDomain: f.text('full-domain', TEXTS.fullDomain) ?? null,
    proxyPort: f.int('proxy-port', INTS.port) ?? null,
    proxyProtocol: f.bool('proxy-protocol') ?? false,
    proxyProtocolVersion: f.int('proxy-protocol-version', INTS.proxyProtocolVersion) ?? 1,
    hostHeader: f.text('host-header', TEXTS.hostHeader) ?? null,
    tlsServerName: f.text('tls-server-name', TEXTS.tlsServerName) ?? null,
    responseTimeoutSeconds: f.int('response-timeout-seconds', INTS.responseTimeout) ?? RESPONSE_TIMEOUT_SECONDS,
    staleSeconds: f.int('stale-seconds', INTS.staleSeconds) ?? null,
    headers: readHeaders(f),
    targets: readTargets(f),
    auth: optional(f.map('auth'), readAuth),
    ...readRules(f),
    maintenance: optional(f.map('maintenance'), readMaintenance),
    sitesMayAddTargets: optional(f.map('sites-may-add-targets'), readTargetRights),
  };
  if (!operators && f.has('sites-may-add-targets'))
    f.wrong('sites-may-add-targets', 'is for the operator to say, not for a document of a site');
  f.notYet('policy', ': write the settings into the resource itself');
  f.notYet('auth-daemon');
  if (mode !== undefined && mode === resource.mode) checkMode(f, resource);
  f.done();
  return resource;
}

function checkMode(f: Fields, resource: PublicResource): void {
  const { mode } = resource;
  if (mode === 'http') {
    // An empty one says on purpose that it has no name: its domain is gone.
    f.need('full-domain', resource.fullDomain ?? undefined, '');
    if (f.has('proxy-port')) f.wrong('proxy-port', 'is only for tcp and udp');
    resource.proxyPort = null;
  } else {
    // The API has no ssl for these: it is read and decides nothing.
    resource.ssl = false;
    f.need('proxy-port', resource.proxyPort ?? undefined, 1);
    for (const key of HTTP_ONLY)
      if (f.has(key) && !emptyList(f, key)) f.wrong(key, `is only for http, not for ${mode}`);
  }
  if (mode !== 'tcp' && resource.proxyProtocolVersion !== 1)
    f.wrong('proxy-protocol-version', `is only for tcp, not for ${mode}`);
  if (mode !== 'tcp' && resource.proxyProtocol) f.wrong('proxy-protocol', `is only for tcp, not for ${mode}`);
  const targets = f.node.entries.find((entry) => entry.key === 'targets')?.value;
  if (targets?.kind !== 'list') return;
  targets.items.forEach((item, i) => {
    if (item.kind !== 'map' || item.entries.length === 0) return;
    const target = new Fields(item, `${f.path}.targets[${i}]`, f.problems);
    if (mode === 'http' && !target.has('method')) target.wrong('method', 'is required for http: http, https or h2c');
    if (mode !== 'http' && target.has('method')) target.wrong('method', `is only for http, not for ${mode}`);
  });
}

function emptyList(f: Fields, key: string): boolean {
  const value = f.node.entries.find((entry) => entry.key === key)?.value;
  return value?.kind === 'list' && value.items.length === 0;
}

const IDENTITY = ['site', 'hostname', 'port', 'path', 'path-match'];

function readTargets(f: Fields): Target[] {
  const first = new Map<string, number>();
  const list = f.list('targets', (item, path, index) => {
    const target = readTarget(item, path, f.problems);
    if (!target || item.kind !== 'map') return target;
    const fields = new Fields(item, path, f.problems);
    if (IDENTITY.some((key) => fields.isOpen(key)) || !fields.has('hostname') || !fields.has('port')) return target;
    const identity = JSON.stringify([
      target.site,
      target.hostname.toLowerCase(),
      target.port,
      target.path,
      target.pathMatch,
    ]);
    const before = first.get(identity);
    if (before === undefined) first.set(identity, index);
    else
      fields.wrong('hostname', `targets[${before}] has the same site, host, port and path: a target is known by them`);
    return target;
  });
  return list ?? [];
}

function readAuth(f: Fields): Auth {
  const basic = f.map('basic-auth');
  const whitelistUsers = f.texts('whitelist-users', TEXTS.whitelistEmail) ?? [];
  const auth: Auth = {
    pincode: f.text('pincode', TEXTS.pincode) ?? null,
    password: f.text('password', TEXTS.password) ?? null,
    basicAuth: optional(basic, (b) => {
      const read = {
        user: b.need('user', b.text('user', TEXTS.basicAuthUser), ''),
        password: b.need('password', b.text('password', TEXTS.basicAuthPassword), ''),
        extendedCompatibility: b.bool('extendedCompatibility') ?? true,
      };
      b.done();
      return read;
    }),
    ssoEnabled: f.bool('sso-enabled') ?? false,
    ssoRoles: readRoles(f, 'sso-roles'),
    ssoUsers: f.texts('sso-users') ?? [],
    whitelistUsers: [...new Set(whitelistUsers)],
    whitelistEnabled: f.bool('whitelist-enabled') ?? whitelistUsers.length > 0,
  };
  f.notYet('auto-login-idp', ': there are no identity providers');
  f.done();
  return auth;
}

const ADMIN = nameKey('Admin');

/** Admin always has access: naming it changes nothing and is no mistake. One name in two cases or widths is one role. */
export function readRoles(f: Fields, key: string): string[] {
  const roles = new Map((f.texts(key, TEXTS.name) ?? []).map((role) => [nameKey(role), role]));
  roles.delete(ADMIN);
  return [...roles.values()];
}

const ACTIONS = { allow: 'ACCEPT', deny: 'DROP', pass: 'PASS' } as const;
const MATCHES = ['cidr', 'path', 'ip', 'country', 'asn', 'region'] as const;

function readRules(f: Fields): Pick<PublicResource, 'rules' | 'applyRules'> {
  const first = new Map<number, number>();
  const rules =
    f.maps('rules', (r, index) => {
      const action = r.need('action', r.choice('action', ['allow', 'deny', 'pass']), 'deny' as const);
      const match = r.choice('match', MATCHES);
      r.need('match', match, 'ip');
      const value = readValue(r, match);
      const priority = r.int('priority', INTS.rulePriority) ?? index + 1;
      const enabled = r.bool('enabled') ?? true;
      const before = first.get(priority);
      if (before === undefined) first.set(priority, index);
      else
        r.wrong(
          'priority',
          `${priority} is the priority of rules[${before}] too${r.has('priority') ? '' : ' (a rule without one has its place in the list)'}`,
        );
      r.done();
      return {
        action: ACTIONS[action],
        match: upper(match ?? 'ip'),
        value,
        priority,
        enabled,
      };
    }) ?? [];
  return { rules, applyRules: f.bool('apply-rules') ?? rules.length > 0 };
}

function readValue(r: Fields, match: (typeof MATCHES)[number] | undefined): string {
  const given = r.need('value', r.text('value', { min: 1, max: MAX_RULE_VALUE }), '');
  if (match === undefined || given === '' || r.isOpen('value')) return given;
  const read = readRuleValue(upper(match), given);
  if ('value' in read) return read.value;
  r.wrong('value', `${read.problem}, not ${shown(given)}`);
  return '';
}

function upper<T extends string>(text: T): Uppercase<T> {
  return text.toUpperCase() as Uppercase<T>;
}

const MAX_SITES = 1000;

function readTargetRights(f: Fields): TargetRights {
  const sites = f.texts('sites');
  const labels = f.map('labels');
  if (f.has('sites') === f.has('labels')) f.problems.add(f.path, 'must have either sites or labels', f.node.at);
  if (sites && sites.length > MAX_SITES) f.wrong('sites', `must have at most ${MAX_SITES} sites`);
  const said =
    labels && Object.fromEntries(labels.node.entries.map(({ key }) => [key, labels.text(key, { max: 255 }) ?? '']));
  if (said && !isLabels(said)) f.wrong('labels', LABELS_RULE);
  // None at all would mean every site.
  if (said && Object.keys(said).length === 0) f.wrong('labels', 'must have at least one label');
  f.done();
  return said ? { labels: said } : { sites: sites ?? [] };
}

function readMaintenance(f: Fields): Maintenance {
  const maintenance: Maintenance = {
    enabled: f.bool('enabled') ?? false,
    type: f.choice('type', CHOICES.maintenanceType) ?? 'forced',
    title: f.text('title', TEXTS.maintenanceTitle) ?? null,
    message: f.text('message', TEXTS.maintenanceMessage) ?? null,
    estimatedTime: f.text('estimated-time', TEXTS.maintenanceEstimatedTime) ?? null,
  };
  f.done();
  return maintenance;
}

function optional<T>(fields: Fields | undefined, read: (fields: Fields) => T): T | null {
  return fields ? read(fields) : null;
}
