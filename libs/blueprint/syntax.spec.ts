import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isAddress,
  isAlias,
  isCidr,
  isEmail,
  isFullDomain,
  isHostHeader,
  isHostName,
  isPathGlob,
  isPortRanges,
  isTargetHost,
} from './syntax.js';

const port = fc.integer({ min: 1, max: 65535 });
const range = fc.tuple(port, port).map(([a, b]) => (a === b ? `${a}` : `${Math.min(a, b)}-${Math.max(a, b)}`));
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const name = fc.array(label, { minLength: 2, maxLength: 5 }).map((labels) => labels.join('.'));

describe('port ranges', () => {
  it('are ports and ascending ranges', () => {
    fc.assert(
      fc.property(
        fc.array(range, { minLength: 1, maxLength: 20 }),
        (ranges) => isPortRanges(ranges.join(',')) && isPortRanges(ranges.join(', ')),
      ),
    );
    expect(isPortRanges('') && isPortRanges('*')).toBe(true);
  });

  it('are spoilt by one bad part', () => {
    const bad = fc.oneof(
      fc.constantFrom('0', '65536', 'x', '', '1-', '-1', '1-2-3', '*', '1.5', '0x50', '１'),
      fc
        .tuple(port, port)
        .filter(([a, b]) => a > b)
        .map(([a, b]) => `${a}-${b}`),
    );
    fc.assert(
      fc.property(
        fc.array(range, { minLength: 1, maxLength: 5 }),
        bad,
        fc.nat(),
        (ranges, wrong, at) => !isPortRanges(ranges.toSpliced(at % (ranges.length + 1), 0, wrong).join(',')),
      ),
    );
  });
});

describe('address ranges', () => {
  it('are an address and a length that fits it', () => {
    fc.assert(
      fc.property(
        fc.ipV4(),
        fc.integer({ min: 0, max: 200 }),
        (address, length) => isCidr(`${address}/${length}`) === length <= 32,
      ),
    );
    fc.assert(
      fc.property(
        fc.ipV6(),
        fc.integer({ min: 0, max: 200 }),
        (address, length) => isCidr(`${address}/${length}`) === length <= 128,
      ),
    );
    fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => isAddress(address) && !isCidr(address)));
  });
});

describe('names', () => {
  it('of domains may have a wildcard as the whole first label', () => {
    fc.assert(
      fc.property(
        name,
        (domain) =>
          isHostName(domain) &&
          isFullDomain(domain) &&
          isFullDomain(`*.${domain}`) &&
          !isFullDomain(`a*.${domain}`) &&
          !isFullDomain(`${domain}.`) &&
          !isFullDomain(`a.*.${domain}`),
      ),
    );
    expect(isFullDomain('com') || isFullDomain('*.com') || isFullDomain('*')).toBe(false);
    expect(
      isHostName(`${'a'.repeat(64)}.com`) ||
        isHostName('-a.com') ||
        isHostName('a..b') ||
        isHostName('a_b.com') ||
        isHostName(''),
    ).toBe(false);
  });

  it('of aliases may have patterns in all labels but the last', () => {
    fc.assert(
      fc.property(
        name,
        (alias) => isAlias(alias) && isAlias(`*.${alias}`) && isAlias(`db?.${alias}`) && !isAlias(`${alias}*`),
      ),
    );
    expect(isAlias('db')).toBe(false);
  });

  it('of targets may be addresses and have underscores', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6(),
          name.filter((one) => /[a-z]/.test(one)),
        ),
        isTargetHost,
      ),
    );
    expect(isTargetHost('my_app_1')).toBe(true);
    expect(
      isTargetHost('a b') ||
        isTargetHost('http://a') ||
        isTargetHost('a:80') ||
        isTargetHost('') ||
        isTargetHost('10.0.0') ||
        isTargetHost('10.0.0.256'),
    ).toBe(false);
  });

  it('in a Host header may have a port', () => {
    expect(['a', 'a.b:80', '10.0.0.1:1', '[::1]:8080', '[::1]'].every(isHostHeader)).toBe(true);
    expect(['', ':80', 'a:0', 'a:65536', 'a/b', '[x]:1'].some(isHostHeader)).toBe(false);
  });
});

it('e-mail addresses are members, not patterns', () => {
  expect(['a@b.c', 'a.b+c@d-e.org'].every(isEmail)).toBe(true);
  expect(['*@b.c', 'a@', '@b', 'a b@c.d', 'a@b@c', 'a'].some(isEmail)).toBe(false);
});

it('paths are globs', () => {
  expect(['/', '/*', '/a/*/b', 'a/b/', '/a%20b', '/@x:y'].every(isPathGlob)).toBe(true);
  expect(['', '//', '/a//b', '/a b', '/%zz', '/ä'].some(isPathGlob)).toBe(false);
});
