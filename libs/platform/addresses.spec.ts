import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressBits,
  addressBucket,
  addressesFrom,
  isIpv4Range,
  Network,
  plainAddress,
  rangesOverlap,
} from './addresses.js';

const number = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const spell = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255].join('.');
/** A network, as its first and last address as well. */
const network = fc.tuple(number, fc.integer({ min: 8, max: 32 })).map(([n, bits]) => {
  const size = 2 ** (32 - bits);
  const first = Math.floor(n / size) * size;
  return { cidr: `${spell(first)}/${bits}`, first, last: first + size - 1, bits };
});

describe('addresses', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:10.0.0.1', '10.0.0.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:DB8::1', '2001:DB8::1'],
    ['010.0.0.1', null],
    ['10.0.0', null],
    ['a.example', null],
    ['', null],
  ])('%s is stored as %s', (text, plain) => expect(plainAddress(text)).toBe(plain));

  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::10.0.0.1', '64:ff9b:0:0::/64'],
    ['', ''],
    ['no address', 'no address'],
  ])('%s counts as %s', (address, bucket) => expect(addressBucket(address)).toBe(bucket));

  it('a range is an IPv4 network from /8 to /32 without host bits', () => {
    fc.assert(fc.property(network, ({ cidr }) => isIpv4Range(cidr)));
    fc.assert(fc.property(network, ({ first, bits }) => bits === 32 || !isIpv4Range(`${spell(first + 1)}/${bits}`)));
    for (const wrong of ['10.0.0.0', '10.0.0.0/', '10.0.0.0/7', '10.0.0.0/33', '10.0.0.0/08', '010.0.0.0/8'])
      expect(isIpv4Range(wrong), wrong).toBe(false);
    for (const wrong of ['10.0.0.0/8/8', ' 10.0.0.0/8', '10.0.0.0/8 ', '10/8', '::/8', '256.0.0.0/8', '', null, 8])
      expect(isIpv4Range(wrong), String(wrong)).toBe(false);
  });

  it('ranges overlap when they share an address', () => {
    fc.assert(
      fc.property(
        network,
        network,
        (a, b) => rangesOverlap(a.cidr, b.cidr) === (a.first <= b.last && b.first <= a.last),
      ),
    );
    expect(rangesOverlap('10.0.0.0/9', '10.128.0.0/9')).toBe(false);
    expect(rangesOverlap('10.0.0.0/8', '10.255.255.255/32')).toBe(true);
  });

  it('addresses in a row go past the end of an octet, up to the last there is', () => {
    expect(addressesFrom('10.0.0.254', 4)).toEqual(['10.0.0.254', '10.0.0.255', '10.0.1.0', '10.0.1.1']);
    expect(addressesFrom('255.255.255.254', 2)).toEqual(['255.255.255.254', '255.255.255.255']);
    expect(addressesFrom('0.0.0.0', 1)).toEqual(['0.0.0.0']);
  });
});

describe('networks', () => {
  const contains = (network: string, address: string) => Network.parse(network)?.contains(addressBits(address)!);

  it.each([
    ['192.0.2.77/24', '192.0.2.255', true],
    ['192.0.2.77/24', '192.0.3.0', false],
    ['192.0.2.77/24', '::ffff:192.0.2.1', true],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '::1', false],
    ['128.0.0.0/1', '127.255.255.255', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '192.0.2.1', false],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['::ffff:192.0.2.0/120', '192.0.2.9', true],
    ['::ffff:c000:200/120', '192.0.2.9', true],
    ['::ffff:0:0/96', '198.51.100.1', true],
    ['::ffff:0:0/90', '192.0.2.1', false],
    ['::ffff:192.0.2.1', '192.0.2.1', true],
    ['::ffff:192.0.2.1', '192.0.2.2', false],
  ])('%s and %s: %s', (network, address, inside) => {
    expect(contains(network, address)).toBe(inside);
  });

  it('are nothing else', () => {
    expect(
      ['', 'a', '192.0.2.1/33', '::/129', '192.0.2.1/-1', '192.0.2', 'fe80::%eth0'].filter((text) =>
        Network.parse(text),
      ),
    ).toEqual([]);
    expect(addressBits('nobody')).toBeUndefined();
  });
});
