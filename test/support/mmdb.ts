import { isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** For specs: a file in MaxMind's format (https://maxmind.github.io/MaxMind-DB), of IPv6, with these networks and their records. */
export function mmdbOf(records: Record<string, object>): Buffer {
  const nodes: [number | Node, number | Node][] = [];
  const data: Buffer[] = [];
  type Node = { data: number };
  const add = () => nodes.push([-1, -1]) - 1;
  add();
  let size = 0;
  for (const [cidr, record] of Object.entries(records)) {
    const [address = '', length] = cidr.split('/');
    const v4 = isIPv4(address);
    // IPv4 is ::/96 there.
    const bytes = v4
      ? [...Array(12).fill(0), ...ipaddr.parse(address).toByteArray()]
      : ipaddr.parse(address).toByteArray();
    const bits = Number(length) + (v4 ? 96 : 0);
    let node = 0;
    for (let i = 0; i < bits; i++) {
      const side = (bytes[i >> 3]! >> (7 - (i & 7))) & 1;
      if (i === bits - 1) nodes[node]![side] = { data: size };
      else {
        if (nodes[node]![side] === -1) nodes[node]![side] = add();
        node = nodes[node]![side] as number;
      }
    }
    const encoded = encode(record);
    data.push(encoded);
    size += encoded.length;
  }
  const tree = Buffer.alloc(nodes.length * 8);
  for (const [i, sides] of nodes.entries())
    for (const [side, to] of sides.entries())
      tree.writeUInt32BE(
        typeof to === 'object' ? nodes.length + 16 + to.data : to < 0 ? nodes.length : to,
        i * 8 + side * 4,
      );
  const metadata = {
    node_count: nodes.length,
    record_size: 32,
    ip_version: 6,
    database_type: 'Test',
    languages: [],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 0,
    description: {},
  };
  return Buffer.concat([
    tree,
    Buffer.alloc(16),
    ...data,
    Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'),
    encode(metadata),
  ]);
}

function encode(value: unknown): Buffer {
  if (typeof value === 'string') return Buffer.concat([Buffer.from([(2 << 5) | value.length]), Buffer.from(value)]);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(5, (6 << 5) | 4);
    bytes.writeUInt32BE(value, 1);
    return bytes;
  }
  if (Array.isArray(value)) return Buffer.concat([Buffer.from([value.length, 4]), ...value.map(encode)]);
  const entries = Object.entries(value as object);
  return Buffer.concat([
    Buffer.from([(7 << 5) | entries.length]),
    ...entries.flatMap(([k, v]) => [encode(k), encode(v)]),
  ]);
}
