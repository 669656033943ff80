/** An address as a number; IPv4 within IPv6 (RFC 4291 §2.5.5.2) is IPv4. */
export type IpAddress = { bits: 32 | 128; value: bigint };
/** A network: an address whose first `length` bits count. */
export type IpNetwork = IpAddress & { length: number };

const OCTET = /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;
const MAPPED = 0xffffn << 32n;
const LAST_32 = 0xffff_ffffn;

/** @returns the address that a text is in full, without its zone; undefined where it is none */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(':')) {
    const value = ipv4(text);
    return value === undefined ? undefined : { bits: 32, value };
  }
  const value = ipv6(text.replace(/%.*$/s, ''));
  if (value === undefined) return undefined;
  return value >> 32n === MAPPED >> 32n ? { bits: 32, value: value & LAST_32 } : { bits: 128, value };
}

/** @returns the network that `ADDRESS/LENGTH`, or an address alone, is; undefined where it is none */
export function parseNetwork(text: string): IpNetwork | undefined {
  const [, host = '', length] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = parseIp(host);
  if (!address || host.includes('%')) return undefined;
  const whole = host.includes(':') ? 128 : 32;
  const given = length === undefined ? whole : Number(length);
  // A network of mapped addresses is one of IPv4, as far as it is longer than their prefix.
  const counted = given - (whole - address.bits);
  return given > whole || counted < 0 ? undefined : { ...address, length: counted };
}

/** Whether an address, or all of a network, lies within this network. */
export function isWithin(inner: IpAddress | IpNetwork, { bits, value, length }: IpNetwork): boolean {
  if (inner.bits !== bits || ('length' in inner && inner.length < length)) return false;
  const rest = BigInt(bits - length);
  return inner.value >> rest === value >> rest;
}

/** Whether an address is the machine's own. */
export const isLoopbackIp = (address: IpAddress): boolean =>
  address.bits === 32 ? address.value >> 24n === 127n : address.value === 1n;

function ipv4(text: string): bigint | undefined {
  const octets = text.split('.');
  if (octets.length !== 4 || !octets.every((octet) => OCTET.test(octet))) return undefined;
  return octets.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
}

function ipv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [left, right] = halves.map(groupsOf);
  if (!left || (halves.length === 2 && !right)) return undefined;
  const missing = 8 - left.length - (right?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...left, ...Array.from({ length: right ? missing : 0 }, () => 0n), ...(right ?? [])];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

/** The groups of 16 bits of one side of `::`; the last two may be written as an IPv4 address. */
function groupsOf(text: string, side: number, halves: string[]): bigint[] | undefined {
  if (text === '') return [];
  const groups: bigint[] = [];
  const words = text.split(':');
  for (const [i, word] of words.entries()) {
    const embedded = i === words.length - 1 && side === halves.length - 1 ? ipv4(word) : undefined;
    if (embedded !== undefined) groups.push(embedded >> 16n, embedded & 0xffffn);
    else if (/^[0-9a-f]{1,4}$/i.test(word)) groups.push(BigInt(`0x${word}`));
    else return undefined;
  }
  return groups;
}
