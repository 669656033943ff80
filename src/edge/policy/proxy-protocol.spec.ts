import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProxyHeaderReader, ProxyProtocolError, proxyHeader } from './proxy-protocol.js';

const [source, destination] = [
  { address: '192.0.2.1', port: 4711 },
  { address: '198.51.100.1', port: 443 },
];
const [source6, destination6] = [
  { address: '2001:db8::1', port: 4711 },
  { address: '2001:db8::2', port: 443 },
];

/** At every split, and byte by byte. */
function read(header: Buffer, rest = 'GET / HTTP/1.1') {
  const bytes = Buffer.concat([header, Buffer.from(rest)]);
  const results = new Set<string>();
  for (let i = 0; i <= bytes.length; i++) {
    const reader = new ProxyHeaderReader();
    let got = i === 0 ? undefined : reader.push(bytes.subarray(0, i));
    if (got) got.rest = Buffer.concat([got.rest, bytes.subarray(i)]);
    else got = reader.push(bytes.subarray(i));
    results.add(JSON.stringify({ source: got?.source, rest: got?.rest.toString() }));
  }
  expect(results.size).toBe(1);
  return JSON.parse([...results][0]!);
}

describe('a header of the PROXY protocol', () => {
  it.each([
    [1, source, destination],
    [2, source, destination],
    [1, source6, destination6],
    [2, source6, destination6],
  ] as const)('of version %d is read as it was written', (version, from, to) => {
    expect(read(proxyHeader(version, 'tcp', from, to))).toEqual({ source: from, rest: 'GET / HTTP/1.1' });
  });

  it('is what others write', () => {
    expect(proxyHeader(1, 'tcp', source, destination).toString()).toBe(
      'PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n',
    );
    expect(proxyHeader(1, 'udp', source, destination).toString()).toBe('PROXY UNKNOWN\r\n');
    expect(proxyHeader(2, 'udp', source, destination).toString('hex')).toBe(
      '0d0a0d0a000d0a515549540a2112000cc0000201c6336401126701bb',
    );
    expect(proxyHeader(1, 'tcp', { address: '::ffff:192.0.2.1', port: 1 }, destination).toString()).toMatch(
      /^PROXY TCP4 192/,
    );
    expect(proxyHeader(1, 'tcp', source, destination6).toString()).toBe(
      'PROXY TCP6 ::ffff:c000:201 2001:db8::2 4711 443\r\n',
    );
  });

  it.each([
    Buffer.from('PROXY UNKNOWN\r\n'),
    Buffer.from('PROXY UNKNOWN ffff:f...f ffff:f...f 65535 65535\r\n'),
    Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex'),
    Buffer.from('0d0a0d0a000d0a515549540a20110004ffffffff', 'hex'),
    Buffer.from('0d0a0d0a000d0a515549540a21000000', 'hex'),
  ])('may say nothing of who it is: %#', (header) => {
    expect(read(header)).toEqual({ rest: 'GET / HTTP/1.1' });
  });

  it.each([
    'GET / HTTP/1.1\r\n',
    'PROXY\r\n',
    'PROXY TCP4\r\n',
    'PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n',
    'PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n',
    'PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n',
    'PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n',
    'PROXY TCP4 192.0.2.1\n198.51.100.1 1 2\r\n',
    `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`,
    `PROXY UNKNOWN ${'x'.repeat(100)}`,
    '\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0',
    '\r\n\r\n\0\r\nQUIT\n\x22\x11\0\0',
    '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0bxxxxxxxxxxx',
    '\r\n\r\n\0\r\nQUIT\n\x21\x41\0\x0cxxxxxxxxxxxx',
    '\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff',
    '\r\n\r\n\0\r\nQUIX',
  ])('is refused: %j', (text) => {
    const bytes = Buffer.from(text, 'latin1');
    expect(() => new ProxyHeaderReader().push(bytes)).toThrow(ProxyProtocolError);
    const reader = new ProxyHeaderReader();
    expect(() => {
      for (const byte of bytes) reader.push(Buffer.from([byte]));
    }).toThrow(ProxyProtocolError);
  });

  it('holds no more than a header, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('PROXY ', '\r\n\r\n\0\r\nQUIT\n!\x11'),
        fc.uint8Array({ minLength: 3000, maxLength: 3000 }),
        (start, bytes) => {
          const reader = new ProxyHeaderReader();
          let ended = false;
          try {
            ended = reader.push(Buffer.concat([Buffer.from(start, 'latin1'), bytes])) !== undefined;
          } catch (error) {
            ended = error instanceof ProxyProtocolError;
          }
          expect(ended).toBe(true);
        },
      ),
    );
  });
});
