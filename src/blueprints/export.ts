import type {
  Auth,
  Blueprint,
  Header,
  HealthCheck,
  Maintenance,
  PrivateEntry,
  PublicEntry,
  PublicResource,
  Rule,
  Target,
} from '#blueprint';
import { effectiveTarget } from './columns.js';
import type { Part, Stored, StoredPrivate, StoredPublic } from './current-state.js';

/** What the rows of an export point to, by id. */
export interface Names {
  roles: Map<number, string>;
  /** E-mail addresses. */
  users: Map<string, string>;
  clients: Map<number, string>;
  /** niceIds. */
  sites: Map<number, string>;
}

/** Rows of which a source owns something. */
export interface Owned {
  publicResources: Map<string, StoredPublic>;
  privateResources: Map<string, StoredPrivate>;
}

/** Rows as PostgreSQL has them; its CHECKs hold what these types say. */
interface Staged {
  enabled: boolean;
  staged_enabled: boolean | null;
}

interface PublicColumns extends Staged {
  name: string;
  http: boolean;
  protocol: 'tcp' | 'udp';
  full_domain: string | null;
  proxy_port: number | null;
  ssl: boolean;
  sso: boolean;
  email_whitelist_enabled: boolean;
  apply_rules: boolean;
  tls_server_name: string | null;
  set_host_header: string | null;
  response_timeout_seconds: number;
  stale_seconds: number | null;
  headers: Header[] | null;
  proxy_protocol: boolean;
  proxy_protocol_version: number;
  maintenance_mode_enabled: boolean;
  maintenance_mode_type: Maintenance['type'];
  maintenance_title: string | null;
  maintenance_message: string | null;
  maintenance_estimated_time: string | null;
  password_hash: string | null;
  pincode_hash: string | null;
  header_auth_user: string | null;
  header_auth_hash: string | null;
  header_auth_extended: boolean | null;
}

interface TargetColumns {
  site_id: number;
  ip: string;
  port: number;
  method: Target['method'];
  insecure_tls: boolean;
  enabled: boolean;
  path: string | null;
  path_match_type: Target['pathMatch'];
  rewrite_path: string | null;
  rewrite_path_type: Target['rewriteMatch'];
  priority: number;
  hc_enabled: boolean;
  hc_path: string | null;
  hc_scheme: string | null;
  hc_mode: string | null;
  hc_hostname: string | null;
  hc_port: number | null;
  hc_interval: number | null;
  hc_unhealthy_interval: number | null;
  hc_timeout: number | null;
  hc_headers: Header[] | null;
  hc_follow_redirects: boolean | null;
  hc_method: string | null;
  hc_status: number | null;
  hc_healthy_threshold: number | null;
  hc_unhealthy_threshold: number | null;
}

interface PrivateColumns extends Staged {
  name: string;
  mode: PrivateEntry['mode'];
  destination: string;
  destination_port: number | null;
  scheme: PrivateEntry['scheme'];
  ssl: boolean;
  alias: string | null;
  tcp_ports: string;
  udp_ports: string;
  disable_icmp: boolean;
  full_domain: string | null;
}

/**
 * The document that a site's owned objects amount to as they are now: what the source declares, whole, and the targets that it has on what
 * others describe. Its plan is empty. Secrets are stored as hashes, so they are templates here: `{{env.WEB_PASSWORD}}`. Pure.
 */
export function exportOf(sourceId: number, siteId: number, owned: Owned, names: Names): Blueprint {
  const secrets = new Set<string>();
  const variable = variables();
  const secret = (key: string, what: string) => {
    const template = variable(key, what);
    secrets.add(template);
    return template;
  };
  /** Absent for the site that the document is of. */
  const siteName = (id: number) => (id === siteId ? null : (names.sites.get(id) ?? null));
  const publicResources = [...owned.publicResources].flatMap(([key, row]): PublicEntry[] => {
    const targets = row.targets
      .filter((part) => part.sourceId === sourceId)
      .map((part) => targetOf(part, row, siteName));
    if (declares(row, sourceId)) return [publicOf(key, row, targets, sourceId, names, secret)];
    return targets.length > 0 ? [{ key, targetsOnly: true, targets }] : [];
  });
  const privateResources = [...owned.privateResources].flatMap(([key, row]) =>
    declares(row, sourceId) ? [privateOf(key, row, names, siteId)] : [],
  );
  return literally({ sites: [], publicResources, privateResources }, secrets);
}

/** Braces that are text, as a template: one whose variable nobody sets. */
const BRACES = '{{env.LITERAL_BRACES | default "{{"}}';

/** The same with every text that looks like a template written so that it is text; but for the secrets, which are templates. */
function literally<T>(value: T, secrets: ReadonlySet<string>): T {
  if (typeof value === 'string') return (secrets.has(value) ? value : value.replaceAll('{{', BRACES)) as T;
  if (Array.isArray(value)) return value.map((one: unknown) => literally(one, secrets)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, literally(one, secrets)])) as T;
}

const declares = (row: Stored, sourceId: number) => row.declarations.some((d) => d.sourceId === sourceId);

/** Makes a variable for each secret, no two the same. */
function variables(): (key: string, what: string) => string {
  const given = new Set<string>();
  return (key, what) => {
    const base = `${key}_${what}`
      .toUpperCase()
      .replace(/[^A-Z0-9]+/g, '_')
      .replace(/^(?=\d)/, '_');
    let name = base;
    for (let n = 2; given.has(name); n++) name = `${base}_${n}`;
    given.add(name);
    return `{{env.${name}}}`;
  };
}

function publicOf(
  key: string,
  row: StoredPublic,
  targets: Target[],
  sourceId: number,
  names: Names,
  secret: ReturnType<typeof variables>,
): PublicResource {
  const c = row.columns as unknown as PublicColumns;
  const http = c.http;
  return {
    key,
    targetsOnly: false,
    name: c.name,
    mode: http ? 'http' : c.protocol,
    enabled: enabledOf(c),
    ssl: c.ssl,
    scheme: null,
    fullDomain: c.full_domain,
    proxyPort: http ? null : c.proxy_port,
    proxyProtocol: c.proxy_protocol,
    proxyProtocolVersion: c.proxy_protocol_version,
    hostHeader: c.set_host_header,
    tlsServerName: c.tls_server_name,
    responseTimeoutSeconds: c.response_timeout_seconds,
    staleSeconds: c.stale_seconds,
    headers: c.headers,
    targets,
    auth: http ? authOf(key, row, names, secret) : null,
    rules: row.rules.filter((part) => part.sourceId === sourceId).map(ruleOf),
    applyRules: http && c.apply_rules,
    maintenance: http ? maintenanceOf(c) : null,
    // Operators decide it, not sites.
    sitesMayAddTargets: null,
  };
}

/** null when there is nothing about access. */
function authOf(key: string, row: StoredPublic, names: Names, secret: ReturnType<typeof variables>): Auth | null {
  const c = row.columns as unknown as PublicColumns;
  const auth: Auth = {
    pincode: c.pincode_hash === null ? null : secret(key, 'PINCODE'),
    password: c.password_hash === null ? null : secret(key, 'PASSWORD'),
    basicAuth:
      c.header_auth_hash === null
        ? null
        : {
            user: c.header_auth_user ?? '',
            password: secret(key, 'BASIC_AUTH_PASSWORD'),
            extendedCompatibility: c.header_auth_extended ?? true,
          },
    ssoEnabled: c.sso,
    ssoRoles: rolesOf(row, names),
    ssoUsers: row.userIds.flatMap((id) => names.users.get(id) ?? []),
    whitelistUsers: row.emails,
    whitelistEnabled: c.email_whitelist_enabled,
  };
  const { ssoRoles, ssoUsers, whitelistUsers } = auth;
  const inForce =
    (auth.pincode ?? auth.password ?? auth.basicAuth) !== null || auth.ssoEnabled || auth.whitelistEnabled;
  return inForce || ssoRoles.length + ssoUsers.length + whitelistUsers.length > 0 ? auth : null;
}

/** With those that are made when the site is approved. */
const rolesOf = (row: Stored, names: Names) => [
  ...row.roleIds.flatMap((id) => names.roles.get(id) ?? []),
  ...row.stagedRoles,
];

function maintenanceOf(c: PublicColumns): Maintenance | null {
  const maintenance: Maintenance = {
    enabled: c.maintenance_mode_enabled,
    type: c.maintenance_mode_type,
    title: c.maintenance_title,
    message: c.maintenance_message,
    estimatedTime: c.maintenance_estimated_time,
  };
  const { enabled, type, title, message, estimatedTime } = maintenance;
  return enabled || type !== 'forced' || (title ?? message ?? estimatedTime) !== null ? maintenance : null;
}

function ruleOf({ columns }: Part): Rule {
  const { action, match, value, priority, enabled } = columns as unknown as Rule;
  return { action, match, value, priority, enabled };
}

function targetOf({ columns }: Part, { columns: of }: StoredPublic, siteName: (id: number) => string | null): Target {
  const c = effectiveTarget(columns, of['http'] === true) as unknown as TargetColumns;
  return {
    site: siteName(c.site_id),
    hostname: c.ip,
    port: c.port,
    method: c.method,
    insecureTls: c.insecure_tls,
    enabled: c.enabled,
    internalPort: null,
    path: c.path,
    pathMatch: c.path_match_type,
    rewritePath: c.rewrite_path,
    rewriteMatch: c.rewrite_path_type,
    priority: c.priority,
    healthcheck: healthCheckOf(c),
  };
}

function healthCheckOf(c: TargetColumns): HealthCheck | null {
  if (c.hc_hostname === null) return null;
  return {
    hostname: c.hc_hostname,
    port: c.hc_port!,
    enabled: c.hc_enabled,
    path: c.hc_path,
    scheme: c.hc_scheme,
    mode: c.hc_mode!,
    interval: c.hc_interval!,
    unhealthyInterval: c.hc_unhealthy_interval!,
    timeout: c.hc_timeout!,
    headers: c.hc_headers,
    followRedirects: c.hc_follow_redirects!,
    method: c.hc_method,
    status: c.hc_status,
    healthyThreshold: c.hc_healthy_threshold!,
    unhealthyThreshold: c.hc_unhealthy_threshold!,
  };
}

function privateOf(key: string, row: StoredPrivate, names: Names, siteId: number): PrivateEntry {
  const c = row.columns as unknown as PrivateColumns;
  return {
    key,
    name: c.name,
    mode: c.mode,
    enabled: enabledOf(c),
    // Without a word about it, it is the site that the document is of, and those of others who share it.
    sites:
      row.siteIds.includes(siteId) && (row.siteIds.length === 1 || row.declarations.length > 1)
        ? []
        : row.siteIds.flatMap((id) => names.sites.get(id) ?? []),
    destination: c.destination,
    destinationPort: c.destination_port,
    tcpPorts: c.tcp_ports,
    udpPorts: c.udp_ports,
    disableIcmp: c.disable_icmp,
    fullDomain: c.full_domain,
    ssl: c.ssl,
    scheme: c.scheme,
    alias: c.alias,
    roles: rolesOf(row, names),
    users: row.userIds.flatMap((id) => names.users.get(id) ?? []),
    machines: row.clientIds.flatMap((id) => names.clients.get(id) ?? []),
  };
}

/** What it is, or becomes when the site is approved. */
const enabledOf = (c: Staged): boolean => c.staged_enabled ?? c.enabled;
