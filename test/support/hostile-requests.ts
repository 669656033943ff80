/**
 * What costs a server more to read than a stranger to send: for every public endpoint, every message of an agent and every document
 * (docs/adr/0017). Each is below 1 MB, so that no limit of size refuses it first.
 */
export interface Hostile {
  name: string;
  /** JSON, or what claims to be. */
  text: string;
  /** Within the bounds of keys, depth and values: what refuses it is the endpoint. */
  within?: boolean;
}

const count = (n: number) => Array.from({ length: n }, (_, i) => i);
const keys = (n: number, value: unknown = 1) => Object.fromEntries(count(n).map((i) => [`k${i}`, value]));

/** Compiles to tens of thousands of instructions, and needs most of a second for it. */
export const HOSTILE_PATTERN =
  '(?:a?b?c?d?e?f?g?h?i?j?k?l?m?n?o?p?q?r?s?t?u?v?w?x?y?z?A?B?C?D?E?F?G?H?I?J?K?L?M?N?O?P?){1000}';

/** Values for any place of a JSON body. */
export const HOSTILE_VALUES: readonly Hostile[] = [
  { name: '60,000 keys', text: JSON.stringify(keys(60_000)) },
  { name: '450,000 brackets', text: `${'['.repeat(450_000)}${']'.repeat(450_000)}` },
  { name: '150,000 maps in maps', text: `${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}` },
  { name: '400,000 numbers', text: JSON.stringify(count(400_000).map((i) => i % 10)) },
  { name: '300,000 empty lists', text: `[${'[],'.repeat(300_000)}1]` },
  { name: '80,000 small objects', text: JSON.stringify(count(80_000).map(() => ({ a: 1 }))) },
  {
    name: 'two thousand objects of fifty keys',
    text: JSON.stringify(count(2_000).map(() => keys(50)))
      .slice(0, 900_000)
      .replace(/,[^,]*$/, '}]'),
  },
  { name: 'a text of 900 KB', text: JSON.stringify('a@'.repeat(450_000)), within: true },
  { name: 'a text of 900 KB of spaces', text: JSON.stringify(`${' '.repeat(900_000)}x`), within: true },
  { name: 'a number of 900,000 digits', text: '1'.repeat(900_000), within: true },
  { name: 'a text of 100,000 escapes', text: `"${'\\u0041'.repeat(100_000)}\\ud83d"`, within: true },
];

/** Whole bodies. */
export const HOSTILE: readonly Hostile[] = [
  { name: '100,000 unknown keys', text: JSON.stringify(keys(70_000)) },
  { name: 'a thousand unknown keys', text: JSON.stringify(keys(1_000)), within: true },
  {
    name: 'unknown keys of 1,000 letters',
    text: JSON.stringify(Object.fromEntries(count(800).map((i) => [`${'k'.repeat(1_000)}${i}`, 1]))),
    within: true,
  },
  { name: 'one key of 900 KB', text: `{"${'k'.repeat(900_000)}":1}`, within: true },
  { name: 'brackets without an end', text: '['.repeat(900_000) },
  { name: 'commas', text: `[${','.repeat(900_000)}]` },
  { name: 'colons', text: `{${':'.repeat(900_000)}}` },
  { name: 'quotes', text: `{${'"":'.repeat(300_000)}` },
  { name: 'a text without an end', text: `{"a":"${'\\\\'.repeat(400_000)}`, within: true },
  ...HOSTILE_VALUES,
];

const lines = (n: number, line: (i: number) => string) => count(n).map(line).join('\n');

/** Documents in YAML, up to what a document may have. */
export const HOSTILE_DOCUMENTS: readonly { name: string; text: string }[] = [
  { name: 'commas', text: `[${','.repeat(250_000)}]` },
  { name: 'many keys', text: lines(25_000, (i) => `k${i}: `) },
  {
    name: 'many resources',
    text: `public-resources:\n${lines(4_000, (i) => `  k${i}: {nme: x, prt: 1, ful-domain: a, targts: []}`)}`,
  },
  { name: 'many anchors', text: lines(20_000, (i) => `- &a${i} x`) },
  {
    name: 'a bomb of aliases',
    text: `a0: &a0 [x,x,x,x,x,x,x,x,x]\n${lines(20, (i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`)}`,
  },
  { name: 'many templates', text: '{{a}}'.repeat(50_000) },
  { name: 'brackets', text: '['.repeat(250_000) },
  { name: 'indentation', text: lines(700, (i) => `${' '.repeat(i)}a:`) },
  { name: 'patterns', text: hostilePatterns(15) },
  {
    name: 'patterns, written with escapes',
    text: hostilePatterns(15).replaceAll('path-match: regex', 'path-match: "\\x72egex"'),
  },
];

function hostilePatterns(n: number): string {
  const targets = lines(n, (i) => `      - {hostname: a, port: 1, path: '${HOSTILE_PATTERN}${i}', path-match: regex}`);
  return `public-resources:\n  web:\n    name: Web\n    mode: http\n    full-domain: web.example.com\n    targets:\n${targets}\n`;
}
