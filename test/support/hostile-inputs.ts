import fc from 'fast-check';

const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });

/** Values for a field of a JSON body: right for some fields, wrong for most. */
export const VALUES: readonly unknown[] = [
  null, true, false, 0, -1, 1.5, 255, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, 1e300, -1e300,
  '', ' ', '0', '1', '-1', '1e3', 'NaN', 'null', 'a\u0000b', 'a\nb', '\u202e', '\ufeff', '😀', '\ud800', 'a\udfffb', "' OR 1=1 --", '%00', '../..', '{{hardwareId}}', '{{', '(', '[', '(a+)+$',
  '2024-02-30T00:00:00Z', '9999999-01-01', '+275760-09-13T00:00:00.001Z', '0001-01-01', '300.1.1.1/8', '10.0.0.0/0', '::/0', '10.0.0.1/24',
  'x'.repeat(256), 'x'.repeat(2001), '😀'.repeat(200), 'x'.repeat(300_000),
  [], [null], [[]], [0], [-1], [1.5], [1, 1], ['1'], ['\ud800'], [2 ** 53], [2 ** 53 - 1], [2 ** 31], [{}], Array.from({ length: 1001 }, (_, i) => i + 1),
  {}, { a: 1 }, { a: null }, { a: ['b'] }, { a: 'b' }, { '': 'b' }, { length: 3 }, { toString: 'x', constructor: 'y', hasOwnProperty: 'z' }, { ['k'.repeat(64)]: 'v' },
  { a: '\ud800' }, { '\ud800': 'a' }, { 'a\u0000': 'b' }, { a: '\u0000' }, { a: 'v'.repeat(256) }, Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 'v'])), deep(300),
];

/** Texts of JSON that JSON.stringify never writes. */
export const TEXTS: readonly string[] = ['1e400', '-1e400', '-0', '123456789012345678901234567890', '1.0000000000000000000001', '{"__proto__":{"x":1}}', '{"a":1,"a":2}', '"\\u0000"', '"\\uD83D"'];

/** Deeper than a stack: a parser that does not recurse reads it, what comes after the parser might. One field of each body gets them. */
export const DEEP: readonly string[] = [`${'['.repeat(20_000)}"\\ud800"${']'.repeat(20_000)}`, `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`];

/** Whole bodies that are no objects, or no JSON. */
export const BODIES: readonly string[] = ['{', '{"a":}', 'null', 'true', '1', '"a"', '[]', '[{}]', '{}', '{"__proto__":{}}', '{"constructor":{"prototype":{}}}', '\u0000', '[['.repeat(2000), '{"a":'.repeat(5000), `${'['.repeat(200_000)}${']'.repeat(200_000)}`];

/** A few more of everything, the same in every run. */
export const random = (seed: number, count: number): unknown[] => fc.sample(fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.double().map(Number.isFinite).map(Number), fc.string({ unit: 'binary' })), { seed, numRuns: count });

/** Values in a query, percent-encoded. */
export const QUERY_VALUES: readonly string[] = [
  '', '%20', 'abc', '-1', '0', '1e3', '1.5', '%2B1', '0x10', '9007199254740993', '99999999999999999999', '2147483648', 'null', 'TRUE', '%00', 'a%00', '%ED%A0%80', '%F0%9F%98%80', '%', '%zz',
  "'", '%25', '_', '%5C', 'a%3Db', '%3D', 'x'.repeat(4000), '2024-02-30T00:00:00Z', '9999999-01-01', '%2B275760-09-13', '0001-01-01', '-999999-01-01T00:00:00Z', '1:1', '0:0', '18446744073709551616:1', '1-1',
];

/** Values of a path parameter, percent-encoded; none names anything. */
export const PATH_VALUES: readonly string[] = [
  '0', '-1', '%2B1', '1e3', '0x10', '1.5', '%201', '01', '2147483648', '999999999999999', '9007199254740993', '99999999999999999999999', 'null', 'undefined', '__proto__', 'constructor', '%00', 'a%00b',
  '%ED%A0%80', '%F0%9F%98%80', '%', '%zz', '%25', '%2F', '..%2F..', "'%20OR%201=1--", '%7B%7D', 'x'.repeat(300), 'x'.repeat(5000),
];
