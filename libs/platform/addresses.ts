import { isIP, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

export { isIpv4Range } from './ipv4-range.mjs';

/** All arithmetic of addresses is here and in ipaddr.js; what is an address at all, node says. */

/** An address as PostgreSQL's inet takes it: IPv4 within IPv6 as IPv4, without a zone. null when it is none. */
export function plainAddress(text: string): string | null {
  const plain = text.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  return isIP(plain) ? plain : null;
}

/** Whether this is an address, or a range of them in CIDR notation. */
export function isNetwork(text: unknown): boolean {
  if (typeof text !== 'string' || text.includes('%')) return false;
  const [address = '', length, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (version === 4 ? 32 : 128));
}

/** What counts as one source: an IPv4 address, or the /64 of an IPv6 one, since one subscriber line holds 2^64 addresses. */
export function addressBucket(address: string): string {
  const plain = plainAddress(address);
  if (plain === null) return address;
  if (isIPv4(plain)) return plain;
  const { parts } = ipaddr.IPv6.parse(plain);
  return `${parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}

/** The network of an address as far as machines of one place share it: its /24 of IPv4, its /48 of IPv6, as PostgreSQL writes a cidr. */
export function networkOf(address: string): string {
  const plain = plainAddress(address) ?? address;
  const parsed = ipaddr.parse(plain);
  const bits = parsed.kind() === 'ipv4' ? 24 : 48;
  return `${(parsed.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(`${plain}/${bits}`)}/${bits}`;
}

/** Whether two valid IPv4 CIDRs share an address. */
export function rangesOverlap(one: string, other: string): boolean {
  const [a, aBits] = ipaddr.IPv4.parseCIDR(one);
  const [b, bBits] = ipaddr.IPv4.parseCIDR(other);
  return a.match(b, Math.min(aBits, bBits));
}

/** `count` IPv4 addresses in a row, from `first` on. */
export function addressesFrom(first: string, count: number): string[] {
  const base = Buffer.from(ipaddr.IPv4.parse(first).toByteArray()).readUInt32BE();
  const bytes = Buffer.alloc(4);
  return Array.from({ length: count }, (_, i) => {
    bytes.writeUInt32BE(base + i);
    return new ipaddr.IPv4([...bytes]).toString();
  });
}
