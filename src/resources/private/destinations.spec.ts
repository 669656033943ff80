import { isIPv4 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAddress, isAlias, isCidr, isPortRanges } from '#blueprint';
import { checkDestination, checkName, type Destination, routeOf } from './destinations.js';

const octets = fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 0, max: 255 })));
const ipv4 = octets.map((parts) => parts.join('.'));
const label = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?$/);
const pattern = fc.stringMatching(/^[A-Za-z0-9*?]([A-Za-z0-9*?-]{0,20}[A-Za-z0-9*?])?$/);
const port = fc.integer({ min: 1, max: 65535 });
const range = fc.tuple(port, port).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
const ranges = fc.array(fc.oneof(port.map(String), range), { minLength: 1, maxLength: 20 });

describe('port ranges', () => {
  it('none, all, and every list of ports and ranges', () => {
    expect(['', '*'].every(isPortRanges)).toBe(true);
    fc.assert(fc.property(ranges, fc.constantFrom(',', ', ', ' ,'), (parts, comma) => isPortRanges(parts.join(comma))));
  });

  it('a list with one wrong part is wrong', () => {
    const reversed = fc
      .tuple(port, port)
      .filter(([a, b]) => a !== b)
      .map(([a, b]) => `${Math.max(a, b)}-${Math.min(a, b)}`);
    const beyond = fc.integer({ min: 65536 }).map(String);
    const wrong = fc.oneof(
      reversed,
      beyond,
      beyond.map((p) => `1-${p}`),
      fc.constantFrom('', '0', '-1', '1-', '-', '*', '1-2-3', '080', '1.5', 'a', '８０', '1\n', '\t1', '1–2'),
    );
    fc.assert(
      fc.property(ranges, wrong, fc.nat(), (parts, bad, at) => {
        const with1 = [...parts];
        with1.splice(at % (parts.length + 1), 0, bad);
        return !isPortRanges(with1.join(','));
      }),
    );
  });

  it('what is taken holds nothing but ports from 1 to 65535 in order', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9,\- *]{0,12}$/), (text) => {
        if (!isPortRanges(text) || text === '' || text === '*') return true;
        return text.split(',').every((part) => {
          const [from, to = from] = part.split('-').map(Number);
          return part.split('-').length <= 2 && from! >= 1 && from! <= to! && to! <= 65535;
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('long nonsense is refused quickly', () => {
    expect(isPortRanges(' '.repeat(100_000))).toBe(false);
    expect(isPortRanges(`${'1,'.repeat(50_000)}x`)).toBe(false);
  });
});

describe('address ranges', () => {
  it('every IPv4 address with a prefix of 0 to 32, every IPv6 address with one of 0 to 128', () => {
    fc.assert(fc.property(ipv4, fc.integer({ min: 0, max: 32 }), (address, bits) => isCidr(`${address}/${bits}`)));
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 0, max: 128 }), (address, bits) => isCidr(`${address}/${bits}`)),
    );
  });

  it('nothing with more bits, leading zeros, a zone, or no address', () => {
    fc.assert(fc.property(ipv4, fc.integer({ min: 33, max: 999 }), (address, bits) => !isCidr(`${address}/${bits}`)));
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 129, max: 999 }), (address, bits) => !isCidr(`${address}/${bits}`)),
    );
    fc.assert(fc.property(fc.string(), (text) => isIPv4(text) || !isCidr(`${text}/24`) || isAddress(text)));
    for (const text of [
      '10.0.0.0',
      '10.0.0.0/',
      '10.0.0.0/08',
      '010.0.0.0/8',
      '10.0.0/8',
      '/8',
      '10.0.0.0/8/8',
      '10.0.0.0/-1',
      ' 10.0.0.0/8',
      'fe80::1%eth0/64',
      'host/8',
    ])
      expect(isCidr(text), text).toBe(false);
  });
});

describe('aliases', () => {
  it('labels with dots between; `*` and `?` in all but the last', () => {
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 5 }), label, (labels, last) =>
        isAlias([...labels, last].join('.')),
      ),
    );
  });

  it('no pattern in the last label, no single label, no empty one, none too long', () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { minLength: 1, maxLength: 5 }),
        label,
        fc.constantFrom('*', '?'),
        (labels, last, sign) => !isAlias([...labels, `${last}${sign}`].join('.')),
      ),
    );
    fc.assert(fc.property(label, (one) => !isAlias(one)));
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 3 }),
        label,
        (labels, last) => !isAlias([...labels, '', last].join('.')),
      ),
    );
    for (const text of [
      '',
      '.',
      'a.',
      '.a',
      'a..b',
      '-a.b',
      'a-.b',
      'a.b-',
      'a_b.c',
      'a b.c',
      `${'a'.repeat(64)}.b`,
      Array.from({ length: 130 }, () => 'a').join('.'),
      'a.b\n',
      'ä.b',
    ]) {
      expect(isAlias(text), JSON.stringify(text)).toBe(false);
    }
  });
});

describe('destinations', () => {
  const right = (d: Partial<Destination> & Pick<Destination, 'mode' | 'destination'>): Destination => ({
    destinationPort: null,
    scheme: null,
    alias: null,
    domainId: null,
    ...d,
  });
  const problem = (d: Destination) => {
    try {
      checkDestination(d);
      return undefined;
    } catch (error) {
      return (error as { details: { fields: { path: string }[] } }).details.fields[0]!.path;
    }
  };

  it('host: every address; every name that has an alias', () => {
    fc.assert(
      fc.property(
        fc.oneof(ipv4, fc.ipV6()),
        (destination) =>
          problem(right({ mode: 'host', destination })) === undefined && routeOf(destination) === destination,
      ),
    );
    const name = fc
      .array(label, { minLength: 1, maxLength: 4 })
      .map((labels) => labels.join('.'))
      .filter((text) => !/^([\d.]+|localhost)$/i.test(text));
    fc.assert(
      fc.property(name, (destination) => {
        const d = right({ mode: 'host', destination });
        return problem(d) === 'alias' && problem({ ...d, alias: 'a.b' }) === undefined && routeOf(destination) === null;
      }),
    );
    for (const destination of ['localhost', 'LocalHost'])
      expect(problem(right({ mode: 'host', destination }))).toBeUndefined();
    for (const text of ['10.0.0', '999.1.1.1', '1', 'a_b', 'a b', '-a', 'http://a', 'a/24', 'fe80::1%eth0', ''])
      expect(problem(right({ mode: 'host', destination: text, alias: 'a.b' })), text).toBe('destination');
    expect(problem(right({ mode: 'host', destination: 'nas', alias: '*.nas.lan' }))).toBe('alias');
    expect(problem(right({ mode: 'host', destination: '10.0.0.1', alias: '*.nas.lan' }))).toBeUndefined();
    expect(problem(right({ mode: 'host', destination: '10.0.0.1', domainId: 'd' }))).toBe('domainId');
  });

  it('cidr: every range, nothing else', () => {
    fc.assert(
      fc.property(
        ipv4,
        fc.integer({ min: 0, max: 32 }),
        (address, bits) => problem(right({ mode: 'cidr', destination: `${address}/${bits}` })) === undefined,
      ),
    );
    fc.assert(
      fc.property(
        fc.oneof(ipv4, label),
        (destination) => problem(right({ mode: 'cidr', destination })) === 'destination',
      ),
    );
  });

  it('http: any destination, with port, scheme and domain', () => {
    const d = right({
      mode: 'http',
      destination: 'anything at all',
      destinationPort: 80,
      scheme: 'http',
      domainId: 'd',
    });
    expect(problem(d)).toBeUndefined();
    for (const field of ['destinationPort', 'scheme', 'domainId'] as const)
      expect(problem({ ...d, [field]: null })).toBe(field);
  });

  it('an alias or a domain, not both; a subdomain of a domain', () => {
    expect(() => checkName({ alias: 'a.b', domainId: 'd' }, null)).toThrow(/alias/);
    expect(() => checkName({ alias: null, domainId: null }, 'app')).toThrow(/subdomain/);
    expect(() => checkName({ alias: null, domainId: 'd' }, 'app')).not.toThrow();
    expect(() => checkName({ alias: 'a.b', domainId: null }, '')).not.toThrow();
  });
});
