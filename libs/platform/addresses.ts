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

/** An address as numbers, for what is compared often: the words of IPv6, or IPv4 (within IPv6 as well) as the last of them. */
export interface AddressBits {
  readonly v4: boolean;
  readonly words: readonly number[];
}

/** @returns undefined for what is no address */
export function addressBits(text: string): AddressBits | undefined {
  const plain = plainAddress(text);
  if (plain === null) return undefined;
  let parsed = ipaddr.parse(plain);
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress()) parsed = parsed.toIPv4Address();
  const bytes = Buffer.from(parsed.toByteArray());
  if (bytes.length === 4) return { v4: true, words: [0, 0, 0, bytes.readUInt32BE() | 0] };
  return { v4: false, words: [0, 4, 8, 12].map((at) => bytes.readInt32BE(at)) };
}

/** An address, or a range of them; of IPv4 where it is one within IPv6. */
export class Network {
  private readonly bits: AddressBits;
  private readonly masks: number[];

  private constructor(bits: AddressBits, length: number) {
    this.bits = bits;
    const from = bits.v4 ? 96 : 0;
    this.masks = [0, 1, 2, 3].map((word) => mask(Math.min(32, Math.max(0, length + from - 32 * word))));
  }

  /** @returns undefined for what is no network */
  static parse(text: string): Network | undefined {
    if (!isNetwork(text)) return undefined;
    const [address = '', given] = text.split('/');
    const bits = addressBits(address)!;
    const length = given === undefined ? 128 : Number(given);
    // A range that holds all of IPv4 and more is one of IPv6, to which IPv4 does not belong.
    if (bits.v4 && isIP(address) === 6) {
      if (length < 96) return new Network({ v4: false, words: [0, 0, 0xffff, bits.words[3]!] }, length);
      return new Network(bits, length - 96);
    }
    return new Network(bits, given === undefined && bits.v4 ? 32 : length);
  }

  contains({ v4, words }: AddressBits): boolean {
    const { bits, masks } = this;
    if (bits.v4 !== v4) return false;
    for (let i = v4 ? 3 : 0; i < 4; i++) if ((words[i]! ^ bits.words[i]!) & masks[i]!) return false;
    return true;
  }
}

/** The highest `length` of 32 bits. */
const mask = (length: number) => (length === 0 ? 0 : -1 << (32 - length));
