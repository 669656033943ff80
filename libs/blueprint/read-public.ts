import { isLabels, LABELS_RULE, nameKey } from '#contracts';
import { Fields, PORT, type TextRule } from './fields.js';
import type { Auth, Maintenance, PublicEntry, PublicResource, Rule, Target, TargetRights } from './model.js';
import { readMode } from './read-mode.js';
import { readHeaders, readTarget } from './read-target.js';
import { isEmail, isFullDomain, isHostHeader, isHostName, RULE_FORMS } from './syntax.js';

const SERVED = ['http', 'tcp', 'udp'] as const;
const LATER = ['ssh', 'rdp', 'vnc'] as const;
export const NAME: TextRule = { max: 255, name: true };
export const FULL_DOMAIN: TextRule = {
  min: 1,
  max: 253,
  form: [isFullDomain, 'a host name such as app.example.com, or *.apps.example.com'],
};
const HTTP_ONLY = ['full-domain', 'headers', 'host-header', 'tls-server-name', 'rules', 'maintenance', 'auth'];

/** One entry of `public-resources` (docs/blueprints.md "The document"); `operators`: of an operator's document. */
export function readPublic(key: string, f: Fields, operators: boolean): PublicEntry {
  if (f.has('targets') && f.hasOnly('targets')) return { key, targetsOnly: true, targets: readTargets(f) };
  const mode = readMode(f, SERVED, LATER);
  const resource: PublicResource = {
    key,
    targetsOnly: false,
    name: f.need('name', f.text('name', NAME), ''),
    mode: SERVED.find((one) => one === mode) ?? 'http',
    enabled: f.bool('enabled') ?? true,
    ssl: f.bool('ssl') ?? true,
    scheme: f.choice('scheme', ['http', 'https']) ?? null,
    fullDomain: f.text('full-domain', FULL_DOMAIN)?.toLowerCase() ?? null,
    proxyPort: f.int('proxy-port', PORT) ?? null,
    proxyProtocol: f.bool('proxy-protocol') ?? false,
    proxyProtocolVersion: f.int('proxy-protocol-version', { min: 1, max: 2 }) ?? 1,
    hostHeader: f.text('host-header', { min: 1, form: [isHostHeader, 'a host, or host:port'] }) ?? null,
    tlsServerName: f.text('tls-server-name', { min: 1, form: [isHostName, 'a host name'] }) ?? null,
    headers: readHeaders(f),
    targets: readTargets(f),
    auth: optional(f.map('auth'), readAuth),
    rules: readRules(f),
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
  if (mode !== 'tcp' && f.has('proxy-protocol-version'))
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
  const auth: Auth = {
    pincode: f.text('pincode', { form: [(text) => /^\d{6}$/.test(text), 'six digits'], secret: true }) ?? null,
    password: f.text('password', { min: 1, max: 255 }) ?? null,
    basicAuth: optional(basic, (b) => {
      const read = {
        user: b.need(
          'user',
          b.text('user', { min: 1, max: 255, form: [(text) => !text.includes(':'), 'a name without a colon'] }),
          '',
        ),
        password: b.need('password', b.text('password', { min: 1, max: 255 }), ''),
        extendedCompatibility: b.bool('extendedCompatibility') ?? true,
      };
      b.done();
      return read;
    }),
    ssoEnabled: f.bool('sso-enabled') ?? false,
    ssoRoles: readRoles(f, 'sso-roles'),
    ssoUsers: f.texts('sso-users') ?? [],
    whitelistUsers: [
      ...new Set(
        (f.texts('whitelist-users', { form: [isEmail, 'an e-mail address'] }) ?? []).map((email) =>
          email.toLowerCase(),
        ),
      ),
    ],
  };
  f.notYet('auto-login-idp', ': there are no identity providers');
  f.done();
  return auth;
}

const ADMIN = nameKey('Admin');

/** Admin always has access: naming it changes nothing and is no mistake. One name in two cases or widths is one role. */
export function readRoles(f: Fields, key: string): string[] {
  const roles = new Map((f.texts(key, NAME) ?? []).map((role) => [nameKey(role), role]));
  roles.delete(ADMIN);
  return [...roles.values()];
}

const ACTIONS = { allow: 'ACCEPT', deny: 'DROP', pass: 'PASS' } as const;
const MATCHES = ['cidr', 'path', 'ip', 'country', 'asn', 'region'] as const;

function readRules(f: Fields): Rule[] {
  const first = new Map<number, number>();
  return (
    f.maps('rules', (r, index) => {
      const action = r.need('action', r.choice('action', ['allow', 'deny', 'pass']), 'deny' as const);
      const match = r.choice('match', MATCHES);
      r.need('match', match, 'ip');
      const value = r.need(
        'value',
        r.text('value', { min: 1, max: 2048, ...(match ? { form: [...RULE_FORMS[match]] } : {}) }),
        '',
      );
      const priority = r.int('priority', { min: -1_000_000, max: 1_000_000 }) ?? index + 1;
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
        value: match === 'asn' ? value.toUpperCase() : value,
        priority,
        enabled,
      };
    }) ?? []
  );
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
    type: f.choice('type', ['forced', 'automatic']) ?? 'forced',
    title: f.text('title', { max: 255 }) ?? null,
    message: f.text('message', { max: 2000, lines: true }) ?? null,
    estimatedTime: f.text('estimated-time', { max: 100 }) ?? null,
  };
  f.done();
  return maintenance;
}

function optional<T>(fields: Fields | undefined, read: (fields: Fields) => T): T | null {
  return fields ? read(fields) : null;
}
