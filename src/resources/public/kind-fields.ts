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
