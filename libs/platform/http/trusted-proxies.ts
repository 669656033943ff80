import proxyAddr from '@fastify/proxy-addr';
import type { Config } from '../config/config.js';

/** @returns whether an address is one of TRUST_PROXY: any number of visitors comes from it. */
export function trustedProxies(config: Config): (address: string) => boolean {
  const trusts = proxyAddr.compile([...config.http.trustProxy]);
  return (address) => trusts(address, 0);
}
