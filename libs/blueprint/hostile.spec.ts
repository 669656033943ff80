import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameKey, normalName } from '#contracts';
import { anyBlueprint } from '../../test/support/blueprints.js';
import { digestOf, environmentTemplates, parse, toYaml } from './index.js';
import type { PublicResource } from './model.js';

describe('the value of a variable', () => {
  const TEXT = `public-resources:
  first: {targets: [{hostname: a, port: 1}]}
  web:
    name: NAME
    mode: http
    full-domain: web.example.com
    auth:
      password: PASSWORD
      sso-roles: [ops]
private-resources:
  last: {name: Last, mode: host, destination: localhost, roles: [ops, ROLE]}
`;
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom(
      '"',
      "'",
      '\n',
      'x\n    enabled: false',
      'a: b',
      '{}',
      '[]',
      ', x: y',
      '"}, evil: {"a": "',
      '# c',
      '*a',
      '&a',
      '!!map {}',
      '- x',
      '|',
      '<<',
      '{{env.A}}',
      '\u2028',
      '\\',
      '"\\n',
    ),
  );

  it.each([
    ['"{{env.V}}"', '{{env.V}}', "'{{env.V}}'"],
    ['{{env.V}}', '"a {{env.V}} b"', '{{ env.V | default "x" }}'],
  ])('never changes the structure (%s, %s, %s)', (name, password, role) => {
    const text = TEXT.replace('NAME', name).replace('PASSWORD', password).replace('ROLE', role);
    const base = parse(text, { templates: environmentTemplates({ V: 'plain' }) });
    if (!base.ok) throw new Error(JSON.stringify(base.problems));
    const put = (written: string, v: string) => written.replace(/^["']|["']$/g, '').replace(/\{\{[^}]*\}\}/, () => v);
    fc.assert(
      fc.property(value, (v) => {
        const parsed = parse(text, { templates: environmentTemplates({ V: v }) });
        if (!parsed.ok)
          return parsed.problems.forEach((problem) =>
            expect([
              'public-resources.web.name',
              'public-resources.web.auth.password',
              'private-resources.last.roles[1]',
            ]).toContain(problem.path),
          );
        const expected = structuredClone(base.model);
        const web = expected.publicResources[1] as PublicResource;
        const shown = v === '' ? 'x' : v;
        web.name = normalName(put(name, shown));
        if (web.auth) web.auth.password = put(password, shown);
        const last = normalName(put(role, shown));
        expected.privateResources[0]?.roles.splice(1, 1, ...(['admin', 'ops'].includes(nameKey(last)) ? [] : [last]));
        expect(parsed.model).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });
});

describe('hostile text', () => {
  const outcome = (text: string) => {
    const parsed = parse(text, { templates: environmentTemplates({ A: 'a' }) });
    if (parsed.ok) expect(digestOf(parsed.model)).toMatch(/^[0-9a-f]{64}$/);
    else {
      expect(parsed.problems.length).toBeGreaterThan(0);
      for (const { message, line } of parsed.problems) {
        expect(message).not.toBe('');
        expect(line).toBeGreaterThanOrEqual(0);
      }
    }
  };
  const fragment = fc.constantFrom(
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
    '!x ',
    '|',
    '>-\n',
    '#',
    '%',
    '---',
    '...',
    '{{',
    '}}',
    '{{env.A}}',
    '{{x}}',
    '\\u0000',
    '\u0000',
    '\ufdee\ufdd0\ufdd0\ufdd0\ufdef',
    '\\ufdee\\ufdd0\\ufdd0\\ufdd0\\ufdef',
    'public-resources',
    'private-resources',
    'sites',
    'name',
    'mode',
    'http',
    'targets',
    'null',
    '1',
    '1e999',
    '-0',
    '.nan',
    '__proto__',
    'constructor',
    '\ud800',
    '\r',
    '\u0085',
    '\u2028',
  );

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.array(fragment, { maxLength: 60 }).map((parts) => parts.join('')),
        outcome,
      ),
      { numRuns: 3000 },
    );
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), outcome), { numRuns: 1000 });
    fc.assert(fc.property(fc.json(), outcome), { numRuns: 500 });
  });

  it.each(['valueOf', 'constructor', 'toString', '__proto__', 'hasOwnProperty'])(
    'a section called %s is only unknown',
    (name) => {
      const parsed = parse(JSON.stringify({ x: { y: 1 } }).replace('x', name));
      expect(parsed.problems.map(({ path }) => path)).toEqual([name]);
    },
  );

  it('nor does a document with a part cut out or put in', () => {
    const cut = fc.tuple(anyBlueprint, fc.nat(), fc.nat({ max: 20 }), fragment).map(([model, at, length, put]) => {
      const text = toYaml(model);
      const start = at % (text.length + 1);
      return text.slice(0, start) + put + text.slice(start + length);
    });
    fc.assert(fc.property(cut, outcome), { numRuns: 300 });
  });

  const n = 250_000;
  const times = (part: string) => part.repeat(n / part.length);
  const lines = (count: number, line: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => line(i)).join('\n');

  // Work that grew with the square of the text would show here as a test that never ends.
  it.each<[string, string]>([
    ['brackets', times('[')],
    ['maps in maps', times('{a: ')],
    ['closed brackets', `a: ${times('[]')}`],
    ['lists on one line', times('- ')],
    ['keys on one line', times('? ')],
    ['lists by indentation', lines(700, (i) => `${' '.repeat(i)}-`)],
    ['maps by indentation', lines(700, (i) => `${' '.repeat(i)}a:`)],
    ['many keys', lines(25_000, (i) => `k${i}: `)],
    ['the same key', times('a: \n')],
    ['many anchors', lines(20_000, (i) => `- &a${i} x`)],
    ['many aliases', `a: &a x\nb: [${times('*a,')}]`],
    [
      'a bomb of aliases',
      `a0: &a0 [x,x,x,x,x,x,x,x,x]\n${lines(20, (i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`)}`,
    ],
    [
      'a bomb of merges',
      `a0: &a0 {k: 1}\n${lines(20, (i) => `a${i + 1}: &a${i + 1} {${`<<: *a${i}, `.repeat(9)} k${i}: 1}`)}`,
    ],
    ['a cycle', 'a: &a {b: [*a]}'],
    ['many documents', times('---\n')],
    ['many tags', `a: ${times('!!x ')}`],
    ['many commas', `[${times(',')}]`],
    ['many templates', times('{{a}}')],
    ['a text never closed', `a: "${times('\\"')}`],
    ['empty lines', times('\n')],
    [
      'unknown fields',
      `public-resources:\n${lines(4000, (i) => `  k${i}: {nme: x, prt: 1, ful-domain: a, targts: []}`)}`,
    ],
    ['more than is read', 'x'.repeat(1024 * 1024)],
  ])('%s end with a problem', (_what, text) => {
    const { ok, problems } = parse(text);
    expect(ok).toBe(false);
    expect(problems.length).toBeLessThanOrEqual(20);
  });
});
