import { isIP } from 'node:net';
import type { EnvReader } from './env-reader.js';

/** Names that resources get, and how domains of customers are verified. */
export interface DomainsConfig {
  /** Lower case, like all names here. */
  readonly baseDomain: string;
  readonly nameservers: readonly string[];
  readonly cnameSuffix: string;
  readonly serverIp: string;
  /** `address` or `address:port`; empty: those of the machine. */
  readonly resolvers: readonly string[];
}

/** @param publicHost the host of PUBLIC_URL, which DNS_SERVER_IP is made of where it is an address */
export function readDomains(env: EnvReader, publicHost: string): DomainsConfig {
  const baseDomain = env.domain('BASE_DOMAIN')!;
  const nameservers = env.domains('DNS_NAMESERVERS');
  return {
    baseDomain,
    nameservers: nameservers.length > 0 ? nameservers : [`ns1.${baseDomain}`, `ns2.${baseDomain}`],
    cnameSuffix: env.domain('DNS_CNAME_SUFFIX') ?? `cname.${baseDomain}`,
    serverIp: env.optional('DNS_SERVER_IP') ?? (isIP(publicHost) ? publicHost : '127.0.0.1'),
    resolvers: env.list('DNS_RESOLVERS'),
  };
}
