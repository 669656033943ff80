/**
 * A blueprint with every default filled in, the same whatever spelling it was written in. Names of fields, actions and matches are
 * those of the API (docs/integration-api.md §3). Entries keep the order of the document; `key` is the niceId.
 */
export type Blueprint = { sites: SiteEntry[]; publicResources: PublicEntry[]; privateResources: PrivateEntry[] };

export type SiteEntry = { key: string; name: string; dockerSocketEnabled: boolean };

/** `targetsOnly` adds targets to a resource that is described elsewhere. */
export type PublicEntry = PublicResource | TargetsOnly;
export type TargetsOnly = { key: string; targetsOnly: true; targets: Target[] };
export type PublicResource = {
  key: string;
  targetsOnly: false;
  name: string;
  mode: 'http' | 'tcp' | 'udp';
  enabled: boolean;
  ssl: boolean;
  /** Accepted and kept; it decides nothing. */
  scheme: 'http' | 'https' | null;
  /** Lower case; null exactly for tcp and udp. */
  fullDomain: string | null;
  /** null exactly for http. */
  proxyPort: number | null;
  proxyProtocol: boolean;
  proxyProtocolVersion: number;
  hostHeader: string | null;
  tlsServerName: string | null;
  responseTimeoutSeconds: number;
  /** null: as long as the server allows. */
  staleSeconds: number | null;
  headers: Header[] | null;
  targets: Target[];
  /** null when the document has none: grants then stay as they are, everything else about access is off. */
  auth: Auth | null;
  rules: Rule[];
  /** Whether the rules are looked at; without a word about it when there are any. */
  applyRules: boolean;
  /** null when the document has none: it then stays as it is. */
  maintenance: Maintenance | null;
  /** In documents of operators only; null when the document has none: it then stays as it is. */
  sitesMayAddTargets: TargetRights | null;
};

/** Sites that may add targets by documents of their own: these, by niceId or display name, or those that have all these labels. */
export type TargetRights = { sites: string[] } | { labels: Record<string, string> };

export type Header = { name: string; value: string };

export type Auth = {
  pincode: string | null;
  password: string | null;
  basicAuth: { user: string; password: string; extendedCompatibility: boolean } | null;
  ssoEnabled: boolean;
  /** Without Admin, which always has access. */
  ssoRoles: string[];
  ssoUsers: string[];
  whitelistUsers: string[];
  /** Whether the whitelist is asked; without a word about it when somebody is on it. */
  whitelistEnabled: boolean;
};

export type Rule = {
  action: 'ACCEPT' | 'DROP' | 'PASS';
  match: 'CIDR' | 'IP' | 'PATH' | 'COUNTRY' | 'ASN' | 'REGION';
  value: string;
  priority: number;
  enabled: boolean;
};

export type Maintenance = {
  enabled: boolean;
  type: 'forced' | 'automatic';
  title: string | null;
  message: string | null;
  estimatedTime: string | null;
};

export type Target = {
  /** niceId or display name as written; null is the site that sends the document. */
  site: string | null;
  hostname: string;
  port: number;
  method: 'http' | 'https' | 'h2c' | null;
  insecureTls: boolean;
  enabled: boolean;
  internalPort: number | null;
  path: string | null;
  pathMatch: 'exact' | 'prefix' | 'regex' | null;
  rewritePath: string | null;
  rewriteMatch: 'exact' | 'prefix' | 'regex' | 'stripPrefix' | null;
  priority: number;
  healthcheck: HealthCheck | null;
};

export type HealthCheck = {
  hostname: string;
  port: number;
  enabled: boolean;
  path: string | null;
  scheme: string | null;
  mode: string;
  interval: number;
  unhealthyInterval: number;
  timeout: number;
  headers: Header[] | null;
  followRedirects: boolean;
  method: string | null;
  status: number | null;
  healthyThreshold: number;
  unhealthyThreshold: number;
};

export type PrivateEntry = {
  key: string;
  name: string;
  mode: 'host' | 'cidr' | 'http';
  enabled: boolean;
  /** niceIds or display names as written; empty is the site that sends the document. */
  sites: string[];
  destination: string;
  destinationPort: number | null;
  tcpPorts: string;
  udpPorts: string;
  disableIcmp: boolean;
  fullDomain: string | null;
  ssl: boolean;
  scheme: 'http' | 'https' | null;
  alias: string | null;
  /** Without Admin, which always has access. */
  roles: string[];
  users: string[];
  machines: string[];
};
