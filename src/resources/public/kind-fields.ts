import { invalid } from '#platform';
import type { Kind, Protocol, UpdateResourceBody } from './resources.dto.js';
import type { StoredResource } from './resources.repository.js';

/** Fields of one kind of resource only (docs/integration-api.md §3.5). */
export const HTTP_ONLY = [
  'subdomain',
  'domainId',
  'ssl',
  'sso',
  'blockAccess',
  'emailWhitelistEnabled',
  'applyRules',
  'tlsServerName',
  'setHostHeader',
  'responseTimeoutSeconds',
  'staleSeconds',
  'skipToIdpId',
  'headers',
  'maintenanceModeEnabled',
  'maintenanceModeType',
  'maintenanceTitle',
  'maintenanceMessage',
  'maintenanceEstimatedTime',
  'postAuthPath',
] as const;
export const RAW_ONLY = ['proxyPort', 'proxyProtocol', 'proxyProtocolVersion'] as const;

/** @throws validation when it is said in neither way, or in both and differently. */
export function kindOf({ mode, http, protocol }: Kind): { http: boolean; protocol: Protocol } {
  if (mode === undefined) {
    if (http === undefined) throw invalid('http', 'is required, or mode');
    if (protocol === undefined) throw invalid('protocol', 'is required, or mode');
    return { http, protocol: http ? 'tcp' : protocol };
  }
  const kind = { http: mode === 'http', protocol: mode === 'http' ? ('tcp' as const) : mode };
  if (http !== undefined && http !== kind.http) throw invalid('mode', `is ${mode}, and http is ${http}`);
  if (protocol !== undefined && protocol !== kind.protocol)
    throw invalid('mode', `is ${mode}, and protocol is ${protocol}`);
  return kind;
}

/** Clients send back what they read: the kind that the resource has is accepted. @throws validation for another */
export function requireKind(before: StoredResource, { mode, http, protocol }: Kind): void {
  const problem = 'cannot be changed; make another resource';
  if (mode !== undefined && mode !== before.mode) throw invalid('mode', problem);
  if (http !== undefined && http !== before.http) throw invalid('http', problem);
  if (protocol !== undefined && protocol !== before.protocol) throw invalid('protocol', problem);
}

/** @throws validation for a proxy protocol of udp, which has none. */
export function requireProxyProtocol(
  { protocol }: StoredResource,
  { proxyProtocol = false, proxyProtocolVersion = 1 }: UpdateResourceBody,
): void {
  if (protocol === 'tcp') return;
  if (proxyProtocol) throw invalid('proxyProtocol', `is only for tcp, not for ${protocol}`);
  if (proxyProtocolVersion !== 1) throw invalid('proxyProtocolVersion', `is only for tcp, not for ${protocol}`);
}
