import { isIP } from 'node:net';
import { ConfigError, type EnvReader } from './env-reader.js';

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
  const baseDomain = env.domain('BASE_DOMAIN', env.text('BASE_DOMAIN'));
  const nameservers = env.list('DNS_NAMESERVERS').map((name) => env.domain('DNS_NAMESERVERS', name));
  const serverIp = env.optional('DNS_SERVER_IP') ?? (isIP(publicHost) ? publicHost : '127.0.0.1');
  if (!isIP(serverIp)) throw new ConfigError(`DNS_SERVER_IP must be an address, not "${serverIp}".`);
  const resolvers = env.list('DNS_RESOLVERS');
  for (const resolver of resolvers) {
    if (!isResolver(resolver))
      throw new ConfigError(
        `DNS_RESOLVERS must list addresses such as 9.9.9.9 or 127.0.0.1:5353, "${resolver}" is none.`,
      );
  }
  return {
    baseDomain,
    nameservers: nameservers.length > 0 ? nameservers : [`ns1.${baseDomain}`, `ns2.${baseDomain}`],
    cnameSuffix: env.domain('DNS_CNAME_SUFFIX', env.optional('DNS_CNAME_SUFFIX') ?? `cname.${baseDomain}`),
    serverIp,
    resolvers,
  };
}

/** What node:dns takes: an address, or `address:port` with IPv6 in brackets. */
function isResolver(value: string): boolean {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(value) ?? [];
  return (
    isIP(value) !== 0 ||
    (isIP(bracketed ?? '') === 6 && Number(port ?? 53) < 65_536) ||
    (isIP(plain ?? '') === 4 && Number(port ?? 53) < 65_536)
  );
}
