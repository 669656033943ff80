import type { PrivateEntry, PublicResource, Target } from '#blueprint';
import type { ColumnValues } from '../resources/index.js';
import type { DomainRef, Hashes } from './current-state.js';
import type { TargetRights } from './target-rights.js';

type Secrets = Hashes extends Map<string, infer One> ? One : never;

/** What an entry of a document says, by the columns of its row. */
export function publicColumns(
  entry: PublicResource,
  domain: DomainRef | null,
  hashes: Secrets | undefined,
  rights: TargetRights | null,
): ColumnValues {
  const { auth, maintenance } = entry;
  return {
    name: entry.name,
    http: entry.mode === 'http',
    protocol: entry.mode === 'http' ? 'tcp' : entry.mode,
    domain_id: domain?.domainId ?? null,
    subdomain: subdomainOf(entry.fullDomain, domain),
    full_domain: entry.fullDomain,
    wildcard: entry.fullDomain?.startsWith('*.') ?? false,
    proxy_port: entry.proxyPort,
    ssl: entry.ssl,
    enabled: entry.enabled,
    sso: auth?.ssoEnabled ?? false,
    email_whitelist_enabled: auth?.whitelistEnabled ?? false,
    apply_rules: entry.applyRules,
    tls_server_name: entry.tlsServerName,
    set_host_header: entry.hostHeader,
    response_timeout_seconds: entry.responseTimeoutSeconds,
    stale_seconds: entry.staleSeconds,
    headers: entry.headers,
    proxy_protocol: entry.proxyProtocol,
    proxy_protocol_version: entry.proxyProtocolVersion,
    password_hash: hashes?.passwordHash ?? null,
    pincode_hash: hashes?.pincodeHash ?? null,
    header_auth_user: auth?.basicAuth?.user ?? null,
    header_auth_hash: hashes?.headerAuthHash ?? null,
    header_auth_extended: auth?.basicAuth?.extendedCompatibility ?? null,
    ...(maintenance
      ? {
          maintenance_mode_enabled: maintenance.enabled,
          maintenance_mode_type: maintenance.type,
          maintenance_title: maintenance.title,
          maintenance_message: maintenance.message,
          maintenance_estimated_time: maintenance.estimatedTime,
        }
      : {}),
    ...(rights ? { sites_may_add_targets: rights } : {}),
  };
}

export function privateColumns(entry: PrivateEntry, domain: DomainRef | null): ColumnValues {
  const http = entry.mode === 'http';
  return {
    name: entry.name,
    mode: entry.mode,
    destination: entry.destination,
    destination_port: entry.destinationPort,
    scheme: entry.scheme,
    ssl: entry.ssl,
    enabled: entry.enabled,
    alias: entry.alias,
    tcp_ports: http ? '443,80' : entry.tcpPorts,
    udp_ports: http ? '' : entry.udpPorts,
    disable_icmp: entry.disableIcmp,
    domain_id: domain?.domainId ?? null,
    subdomain: subdomainOf(entry.fullDomain, domain),
    full_domain: entry.fullDomain,
  };
}

export function targetColumns(t: Target, siteId: number): ColumnValues {
  const hc = t.healthcheck;
  return {
    site_id: siteId,
    ip: t.hostname,
    port: t.port,
    method: t.method,
    insecure_tls: t.insecureTls,
    enabled: t.enabled,
    path: t.path,
    path_match_type: t.pathMatch,
    rewrite_path: t.rewritePath,
    rewrite_path_type: t.rewriteMatch,
    priority: t.priority,
    hc_enabled: hc?.enabled ?? false,
    hc_path: hc?.path ?? null,
    hc_scheme: hc?.scheme ?? null,
    hc_mode: hc?.mode ?? null,
    hc_hostname: hc?.hostname ?? null,
    hc_port: hc?.port ?? null,
    hc_interval: hc?.interval ?? null,
    hc_unhealthy_interval: hc?.unhealthyInterval ?? null,
    hc_timeout: hc?.timeout ?? null,
    hc_headers: hc?.headers ?? null,
    hc_follow_redirects: hc?.followRedirects ?? null,
    hc_method: hc?.method ?? null,
    hc_status: hc?.status ?? null,
    hc_healthy_threshold: hc?.healthyThreshold ?? null,
    hc_unhealthy_threshold: hc?.unhealthyThreshold ?? null,
  };
}

/** What is looked at where a health check does not say it. */
const HEALTH_DEFAULTS = {
  hc_mode: 'http',
  hc_interval: 30,
  hc_unhealthy_interval: 30,
  hc_timeout: 5,
  hc_follow_redirects: true,
  hc_healthy_threshold: 1,
  hc_unhealthy_threshold: 1,
} as const;

/**
 * A target as it works: the API leaves empty what documents always say, and both mean the same. Without a method an HTTP resource speaks
 * http, and others have none; a health check looks at the target itself, every thirty seconds.
 */
export function effectiveTarget(columns: ColumnValues, http: boolean): ColumnValues {
  const effective: ColumnValues = { ...columns, method: http ? (columns['method'] ?? 'http') : null };
  const { hc_tls_server_name: _, ...said } = Object.fromEntries(
    Object.entries(columns).filter(([name]) => name.startsWith('hc_') && name !== 'hc_health'),
  );
  const { hc_enabled: enabled, ...rest } = said;
  if (enabled !== true && Object.values(rest).every((value) => value === null)) return effective;
  effective['hc_hostname'] ??= columns['ip'];
  effective['hc_port'] ??= columns['port'];
  for (const [name, value] of Object.entries(HEALTH_DEFAULTS)) effective[name] ??= value;
  return effective;
}

/** The subdomain of a name that stays keeps its spelling: the API stores it as it was given, a document has names in lower case. */
export function asSpelled(wanted: ColumnValues, stored: { columns: ColumnValues } | undefined): ColumnValues {
  const same =
    stored?.columns['full_domain'] === wanted['full_domain'] && stored?.columns['domain_id'] === wanted['domain_id'];
  return same ? { ...wanted, subdomain: stored!.columns['subdomain'] } : wanted;
}

const subdomainOf = (fullDomain: string | null, domain: DomainRef | null) =>
  domain && fullDomain !== domain.baseDomain ? fullDomain!.slice(0, -domain.baseDomain.length - 1) : null;
