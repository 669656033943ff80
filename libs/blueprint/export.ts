import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import { RESPONSE_TIMEOUT_SECONDS } from './field-rules.js';
import type {
  Auth,
  Blueprint,
  Header,
  HealthCheck,
  PrivateEntry,
  PublicEntry,
  Rule,
  Target,
  TargetRights,
} from './model.js';

/**
 * A model as a document in the newer spelling, without what is the default anyway: parsing it gives the same model.
 * Maps, not objects: the order stays, whatever a resource is called.
 */
type Out = string | number | boolean | null | Out[] | Map<string, Out>;
type Row = [key: string, value: Out | undefined | null];

/** The model as YAML. */
export function toYaml(model: Blueprint): string {
  const document = documentOf(model);
  return document.size === 0
    ? '{}\n'
    : stringify(document, {
        version: '1.2',
        schema: 'core',
        lineWidth: 0,
        blockQuote: false,
        aliasDuplicateObjects: false,
      });
}

/** The model as the JSON value of the same document. Resources whose names are whole numbers come first: JSON objects have that order. */
export function toDocument(model: Blueprint): Record<string, unknown> {
  return plain(documentOf(model)) as Record<string, unknown>;
}

/** Equal exactly for equal models, whatever the order of their entries. It tells secrets apart: keep it where the document is kept. */
export function digestOf(model: Blueprint): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(documentOf(model))))
    .digest('hex');
}

/** What stands in the place of a secret. */
export const SECRET = '********';
const SECRET_HEADER = /auth|cookie|token|secret|key|password|session/i;
/** Whether a header of this name carries a secret, as far as names tell. */
export const isSecretHeader = (name: string) => SECRET_HEADER.test(name);

/** A copy without secrets, for history: passwords, PIN codes and headers that carry credentials. It is for reading, not for applying. */
export function maskSecrets(model: Blueprint): Blueprint {
  const auth = (one: Auth | null): Auth | null =>
    one && {
      ...one,
      pincode: one.pincode === null ? null : SECRET,
      password: one.password === null ? null : SECRET,
      basicAuth: one.basicAuth && { ...one.basicAuth, password: SECRET },
    };
  const headers = (list: Header[] | null) =>
    list?.map((header) => (isSecretHeader(header.name) ? { ...header, value: SECRET } : header)) ?? null;
  const targets = (list: Target[]) =>
    list.map((target) => ({
      ...target,
      healthcheck: target.healthcheck && { ...target.healthcheck, headers: headers(target.healthcheck.headers) },
    }));
  return {
    ...model,
    publicResources: model.publicResources.map((entry) =>
      entry.targetsOnly
        ? { ...entry, targets: targets(entry.targets) }
        : { ...entry, auth: auth(entry.auth), headers: headers(entry.headers), targets: targets(entry.targets) },
    ),
  };
}

function documentOf(model: Blueprint): Map<string, Out> {
  const section = <T extends { key: string }>(entries: T[], body: (entry: T) => Map<string, Out>) =>
    entries.length === 0 ? undefined : new Map<string, Out>(entries.map((entry) => [entry.key, body(entry)]));
  return rows([
    [
      'sites',
      section(model.sites, (s) =>
        rows([
          ['name', s.name],
          ['docker-socket-enabled', not(true, s.dockerSocketEnabled)],
        ]),
      ),
    ],
    ['public-resources', section(model.publicResources, publicOf)],
    ['private-resources', section(model.privateResources, privateOf)],
  ]);
}

function publicOf(r: PublicEntry): Map<string, Out> {
  if (r.targetsOnly) return new Map([['targets', r.targets.map(targetOf)]]);
  return rows([
    ['name', r.name],
    ['mode', r.mode],
    ['full-domain', r.mode === 'http' ? (r.fullDomain ?? '') : null],
    ['proxy-port', r.proxyPort],
    ['enabled', not(true, r.enabled)],
    ['ssl', r.mode === 'http' ? not(true, r.ssl) : undefined],
    ['scheme', r.scheme],
    ['proxy-protocol', not(false, r.proxyProtocol)],
    ['proxy-protocol-version', not(1, r.proxyProtocolVersion)],
    ['host-header', r.hostHeader],
    ['tls-server-name', r.tlsServerName],
    ['response-timeout-seconds', not(RESPONSE_TIMEOUT_SECONDS, r.responseTimeoutSeconds)],
    ['stale-seconds', r.staleSeconds],
    ['headers', r.headers?.map(headerOf)],
    ['auth', r.auth && authOf(r.auth)],
    ['rules', some(r.rules.map(ruleOf))],
    ['apply-rules', not(r.rules.length > 0, r.applyRules)],
    [
      'maintenance',
      r.maintenance &&
        rows([
          ['enabled', r.maintenance.enabled],
          ['type', not('forced', r.maintenance.type)],
          ['title', r.maintenance.title],
          ['message', r.maintenance.message],
          ['estimated-time', r.maintenance.estimatedTime],
        ]),
    ],
    ['sites-may-add-targets', r.sitesMayAddTargets && targetRightsOf(r.sitesMayAddTargets)],
    ['targets', some(r.targets.map(targetOf))],
  ]);
}

function targetRightsOf(rights: TargetRights): Map<string, Out> {
  return 'sites' in rights
    ? rows([['sites', rights.sites]])
    : rows([['labels', new Map(Object.entries(rights.labels))]]);
}

function authOf(a: Auth): Map<string, Out> {
  return rows([
    ['pincode', a.pincode],
    ['password', a.password],
    [
      'basic-auth',
      a.basicAuth &&
        rows([
          ['user', a.basicAuth.user],
          ['password', a.basicAuth.password],
          ['extendedCompatibility', not(true, a.basicAuth.extendedCompatibility)],
        ]),
    ],
    ['sso-enabled', a.ssoEnabled],
    ['sso-roles', some(a.ssoRoles)],
    ['sso-users', some(a.ssoUsers)],
    ['whitelist-users', some(a.whitelistUsers)],
    ['whitelist-enabled', not(a.whitelistUsers.length > 0, a.whitelistEnabled)],
  ]);
}

const ACTIONS = { ACCEPT: 'allow', DROP: 'deny', PASS: 'pass' } as const;

function ruleOf(r: Rule): Map<string, Out> {
  return rows([
    ['action', ACTIONS[r.action]],
    ['match', r.match.toLowerCase()],
    ['value', r.value],
    ['priority', r.priority],
    ['enabled', not(true, r.enabled)],
  ]);
}

function targetOf(t: Target): Map<string, Out> {
  return rows([
    ['site', t.site],
    ['hostname', t.hostname],
    ['port', t.port],
    ['method', t.method],
    ['insecure-tls', not(false, t.insecureTls)],
    ['enabled', not(true, t.enabled)],
    ['internal-port', t.internalPort],
    ['path', t.path],
    ['path-match', t.pathMatch],
    ['rewrite-path', t.rewritePath],
    ['rewrite-match', t.rewriteMatch],
    ['priority', not(100, t.priority)],
    ['healthcheck', t.healthcheck && healthCheckOf(t.healthcheck)],
  ]);
}

function healthCheckOf(h: HealthCheck): Map<string, Out> {
  return rows([
    ['hostname', h.hostname],
    ['port', h.port],
    ['enabled', not(true, h.enabled)],
    ['path', h.path],
    ['scheme', h.scheme],
    ['mode', not('http', h.mode)],
    ['interval', not(30, h.interval)],
    ['unhealthy-interval', not(30, h.unhealthyInterval)],
    ['timeout', not(5, h.timeout)],
    ['headers', h.headers?.map(headerOf)],
    ['follow-redirects', not(true, h.followRedirects)],
    ['method', h.method],
    ['status', h.status],
    ['healthy-threshold', not(1, h.healthyThreshold)],
    ['unhealthy-threshold', not(1, h.unhealthyThreshold)],
  ]);
}

function headerOf(h: Header): Map<string, Out> {
  return rows([
    ['name', h.name],
    ['value', h.value],
  ]);
}

function privateOf(r: PrivateEntry): Map<string, Out> {
  const http = r.mode === 'http';
  return rows([
    ['name', r.name],
    ['mode', r.mode],
    ['sites', some(r.sites)],
    ['destination', r.destination],
    ['destination-port', r.destinationPort],
    ['scheme', r.scheme],
    ['full-domain', r.mode === 'http' ? (r.fullDomain ?? '') : null],
    ['alias', r.alias],
    ['ssl', not(false, r.ssl)],
    ['enabled', not(true, r.enabled)],
    ['tcp-ports', http ? undefined : not('*', r.tcpPorts)],
    ['udp-ports', http ? undefined : not('*', r.udpPorts)],
    ['disable-icmp', not(http, r.disableIcmp)],
    ['roles', some(r.roles)],
    ['users', some(r.users)],
    ['machines', some(r.machines)],
  ]);
}

/** Without what is absent. */
function rows(all: Row[]): Map<string, Out> {
  return new Map(all.filter((row): row is [string, Out] => row[1] !== undefined && row[1] !== null));
}

function not<T extends Out>(standard: T, value: T): T | undefined {
  return value === standard ? undefined : value;
}

function some<T extends Out>(list: T[]): T[] | undefined {
  return list.length === 0 ? undefined : list;
}

function plain(value: Out): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  // No prototype: a resource may be called __proto__.
  const object = Object.create(null) as Record<string, unknown>;
  for (const [key, one] of value) object[key] = plain(one);
  return object;
}

/** Maps as lists of pairs in the order of their keys. */
function sorted(value: Out): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!(value instanceof Map)) return value;
  return [...value].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sorted(one)]);
}
