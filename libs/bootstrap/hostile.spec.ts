import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXAMPLE } from '../../test/support/bootstraps.js';
import { parseBootstrap, templatesOf, usesOf, warningsOf } from './index.js';

const outcome = (text: string) => {
  const { bootstrap, problems } = parseBootstrap(text);
  if (bootstrap) {
    usesOf(bootstrap);
    warningsOf(bootstrap);
    return;
  }
  expect(problems.length).toBeGreaterThan(0);
  for (const { message, line, column } of problems) {
    expect(message).not.toBe('');
    expect(Math.min(line, column)).toBeGreaterThanOrEqual(0);
    expect(message).not.toMatch(/[\ufdd0-\ufdef]/);
  }
};

describe('hostile text', () => {
  const fragment = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ':',
      ': ',
      '- ',
      '? ',
      ',',
      '"',
      "'",
      '\n',
      '\n  ',
      '\t',
      '&a ',
      '*a',
      '<<: ',
      '!!str ',
      '|\n',
      '>-\n',
    ],
    ...[
      '#',
      '---',
      '{{',
      '}}',
      '{{env.A}}',
      '{{secret.A | uri}}',
      '{{"x"}}',
      '{{label.a | default "x" | json}}',
      '{{x}}',
      '\\"',
      '\\u0000',
    ],
    ...[
      '\ufdee\ufdd0\ufdd0\ufdd0\ufdef',
      '\\ufdee\\ufdd0\\ufdd0\\ufdd0\\ufdef',
      'env',
      'files',
      'config',
      'dependencies',
      'run',
      'path',
    ],
    ...['content', 'ready', 'null', '1e999', '.nan', '__proto__', 'constructor', '\ud800', '\r', '\u0085', '\u2028'],
  );

  it('says nothing of what stands for a template that a message cuts', () => {
    outcome('*a{{secret.A | uri}}{{secret.A | uri}}{{label.a | default "x" | json}}');
  });

  it('never throws', () => {
    const joined = fc.array(fragment, { maxLength: 60 }).map((parts) => parts.join(''));
    fc.assert(fc.property(joined, outcome), { numRuns: 2000 });
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), outcome), { numRuns: 500 });
    fc.assert(fc.property(fc.json(), outcome), { numRuns: 500 });
    const cut = fc.tuple(fc.nat(), fc.nat({ max: 20 }), fragment).map(([at, length, put]) => {
      const start = at % (EXAMPLE.length + 1);
      return EXAMPLE.slice(0, start) + put + EXAMPLE.slice(start + length);
    });
    fc.assert(fc.property(cut, outcome), { numRuns: 1000 });
  });

  it('cannot put a template together from what is escaped', () => {
    // A token that stands for a template while the text is parsed is another place of that template at most.
    const text =
      '{"env":{"A":"{{site.name}}","B":"\\ufdee\\ufdd0\\ufdd0\\ufdd0\\ufdef","C":"\\u007b\\u007bsecret.A}}"}}';
    const { bootstrap, problems } = parseBootstrap(text);
    if (bootstrap) expect(templatesOf(bootstrap).map(({ from }) => from)).not.toContain('secret');
    expect(problems.map(({ path }) => path)).toEqual(['env.C']);
  });

  const n = 250_000;
  const times = (part: string) => part.repeat(n / part.length);
  const lines = (count: number, line: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => line(i)).join('\n');

  // Work that grew with the square of the text would show here as a test that never ends.
  it.each<[string, string]>([
    ['brackets', times('[')],
    ['lists by indentation', lines(700, (i) => `${' '.repeat(i)}-`)],
    ['256 KB of keys', lines(25_000, (i) => `k${i}: `)],
    ['256 KB of variables', `env:\n${lines(20_000, (i) => `  V${i}: a`)}`],
    ['256 KB of files', `files:\n${lines(9000, (i) => `  - {path: a${i}, content: ""}`)}`],
    ['256 KB of keys of config', `config:\n${lines(20_000, (i) => `  k${i}: ~`)}\n  k0: again`],
    ['a config of many levels', `config: ${'{a: '.repeat(30)}1${'}'.repeat(30)}`],
    [
      'a bomb of aliases',
      `config:\n  a0: &a0 [x,x,x,x,x,x,x,x,x]\n${lines(20, (i) => `  a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`)}`,
    ],
    ['long texts many times', `config:\n  a: &a "${'x'.repeat(200_000)}"\n  b: [${'*a,'.repeat(200)}]`],
    ['many templates many times', `config:\n  a: &a "${'{{org.id}}'.repeat(19_000)}"\n  b: [${'*a,'.repeat(250)}]`],
    ['many templates', `env: {A: "${times('{{a}}')}"}`],
    ['templates that do not end', `env: {A: "${times('{{a ')}"}`],
    ['a text never closed', `env: {A: "${times('\\"')}`],
    ['many defaults', `env: {A: '${times('{{env.A|default "')}'}`],
    ['unknown fields', `files:\n${lines(250, (i) => `  - {pth: a${i}, ${'conten: x, '.repeat(1)} moed: 1}`)}`],
    ['more than is read', 'x'.repeat(1024 * 1024)],
  ])('%s end with a problem', (_what, text) => {
    const { bootstrap, problems } = parseBootstrap(text);
    expect(bootstrap).toBeUndefined();
    expect(problems.length).toBeLessThanOrEqual(20);
  });

  it('of 256 KB is read when it says something', () => {
    const text = `files:\n  - path: a\n    content: |\n${lines(7000, (i) => `      line ${i} {{secret.A | json}}`)}`;
    const { bootstrap } = parseBootstrap(text);
    expect(templatesOf(bootstrap!)).toHaveLength(7000);
    expect(warningsOf(bootstrap!)).toEqual([]);
  });
});
