import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt: who is behind a connection, said in front of its first byte. */

export interface Endpoint {
  address: string;
  port: number;
}

export interface ProxyHeader {
  /** undefined: the proxy speaks for itself, or does not know. */
  source: Endpoint | undefined;
  /** What came behind the header. */
  rest: Buffer;
}

/** The connection does not begin with what a proxy must say: it is closed. */
export class ProxyProtocolError extends Error {}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const MAX_V1 = 107;
/** Addresses of 36 bytes, and what else a proxy has to say. */
const MAX_V2 = 16 + 2048;
const V1 = Buffer.from('PROXY ');

/** Reads the header of one connection, of either version, however it is split. */
export class ProxyHeaderReader {
  private held: Buffer = Buffer.alloc(0);

  /** @returns undefined until the header is complete. @throws ProxyProtocolError */
  push(chunk: Buffer): ProxyHeader | undefined {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    const header = startsAs(bytes, SIGNATURE) ? readV2(bytes) : startsAs(bytes, V1) ? readV1(bytes) : refuse();
    if (header === undefined) this.held = bytes;
    return header;
  }
}

/** Whether the bytes are the beginning of the other ones, or the other way round. */
function startsAs(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function refuse(): never {
  throw new ProxyProtocolError('the connection does not begin with a header of the PROXY protocol');
}

function readV1(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, MAX_V1).indexOf('\r\n');
  if (end < 0) return bytes.length >= MAX_V1 ? refuse() : undefined;
  const words = bytes.toString('latin1', 0, end).split(' ');
  const rest = bytes.subarray(end + 2);
  if (words[1] === 'UNKNOWN') return { source: undefined, rest };
  const [, family, source = '', destination = '', port = '', otherPort = '', ...more] = words;
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : refuse;
  if (more.length > 0 || !isAddress(source) || !isAddress(destination) || !isPort(port) || !isPort(otherPort)) refuse();
  return { source: { address: source, port: Number(port) }, rest };
}

const isPort = (text: string) => /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;

function readV2(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length < 16) return undefined;
  const command = bytes[12]!;
  const family = bytes[13]! >> 4;
  const length = bytes.readUInt16BE(14);
  if (command >> 4 !== 2 || (command & 15) > 1 || 16 + length > MAX_V2) refuse();
  if (bytes.length < 16 + length) return undefined;
  const rest = bytes.subarray(16 + length);
  if ((command & 15) === 0 || family === 0 || family === 3) return { source: undefined, rest };
  const size = family === 1 ? 4 : family === 2 ? 16 : refuse();
  if (length < 2 * size + 4) refuse();
  const address = ipaddr.fromByteArray([...bytes.subarray(16, 16 + size)]).toString();
  return { source: { address, port: bytes.readUInt16BE(16 + 2 * size) }, rest };
}

/**
 * What a target is told in front of a connection, or of each datagram.
 * @param version 1 knows no UDP: then nothing is said of who it is
 */
export function proxyHeader(version: 1 | 2, protocol: 'tcp' | 'udp', source: Endpoint, destination: Endpoint): Buffer {
  let [from, to] = [ipaddr.process(source.address), ipaddr.process(destination.address)];
  // Both are of one family: IPv4 is told as IPv6 where the other is that.
  if (from.kind() !== to.kind()) [from, to] = [asIPv6(from), asIPv6(to)];
  const v4 = from.kind() === 'ipv4';
  if (version === 1) {
    if (protocol === 'udp') return Buffer.from('PROXY UNKNOWN\r\n');
    return Buffer.from(`PROXY TCP${v4 ? 4 : 6} ${from} ${to} ${source.port} ${destination.port}\r\n`);
  }
  const addresses = [...from.toByteArray(), ...to.toByteArray()];
  const header = Buffer.alloc(16 + addresses.length + 4);
  SIGNATURE.copy(header);
  header[12] = 0x21;
  header[13] = ((v4 ? 1 : 2) << 4) | (protocol === 'tcp' ? 1 : 2);
  header.writeUInt16BE(addresses.length + 4, 14);
  header.set(addresses, 16);
  header.writeUInt16BE(source.port, 16 + addresses.length);
  header.writeUInt16BE(destination.port, 18 + addresses.length);
  return header;
}

const asIPv6 = (address: ipaddr.IPv4 | ipaddr.IPv6) =>
  address instanceof ipaddr.IPv4 ? address.toIPv4MappedAddress() : address;
