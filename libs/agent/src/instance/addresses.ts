import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Addresses that nothing in a bundle makes the agent connect to (docs/instances.md §7.1): link-local ones, where clouds answer with credentials. */
const NEVER = new BlockList();
NEVER.addSubnet('169.254.0.0', 16, 'ipv4');
NEVER.addSubnet('fe80::', 10, 'ipv6');
// The same by NAT64 (RFC 6052), and as the deprecated IPv4-compatible address; IPv4-mapped ones are checked as IPv4 by Node.
NEVER.addSubnet('64:ff9b::169.254.0.0', 112, 'ipv6');
NEVER.addSubnet('::169.254.0.0', 112, 'ipv6');
// By NAT64 with the prefix for local use (RFC 8215), translated (RFC 2765), and by 6to4 (RFC 3056).
NEVER.addSubnet('64:ff9b:1::169.254.0.0', 112, 'ipv6');
NEVER.addSubnet('::ffff:0:169.254.0.0', 112, 'ipv6');
NEVER.addSubnet('2002:a9fe::', 32, 'ipv6');
// Metadata services that are not at a link-local address: Amazon's and Google's by IPv6, Azure's (WireServer), Alibaba's.
NEVER.addAddress('fd00:ec2::254', 'ipv6');
NEVER.addAddress('fd20:ce::254', 'ipv6');
NEVER.addAddress('168.63.129.16', 'ipv4');
NEVER.addAddress('100.100.100.200', 'ipv4');
// "This host": Linux connects to the loopback interface instead, which a pattern that allows hosts would not expect.
NEVER.addSubnet('0.0.0.0', 8, 'ipv4');
NEVER.addAddress('::', 'ipv6');

/** An address that is never connected to. */
export class ForbiddenAddress extends Error {
  constructor(host: string) {
    super(`${host} is an address that bundles may not lead to (link-local, or of a metadata service)`);
    this.name = 'ForbiddenAddress';
  }
}

export function isForbidden(address: string): boolean {
  const [bare = ''] = address.split('%');
  const family = isIP(bare);
  return family !== 0 && NEVER.check(bare, family === 6 ? 'ipv6' : 'ipv4');
}

/** @throws ForbiddenAddress for a URL whose host is such an address, in whatever notation: `URL` has brought it to one */
export function checkHost(url: URL): void {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isForbidden(host)) throw new ForbiddenAddress(host);
}

/**
 * Resolves a name for a connection and leaves out forbidden addresses. What it answers is what is connected to: a name that answers otherwise
 * the next time (DNS rebinding) gains nothing.
 */
export function guarded(resolve: typeof lookup = lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      const addresses = (found ?? []).filter(({ address }) => !isForbidden(address));
      const [first] = addresses;
      if (error || !first) callback(error ?? new ForbiddenAddress(hostname), '', 0);
      else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
