import { describe, expect, it } from 'vitest';
import { model, problems, publicly, web } from '../../test/support/parsed-blueprint.js';
import { environmentTemplates, parse, placesOf } from './index.js';

describe('YAML', () => {
  it('has anchors, aliases and merge keys', () => {
    const text =
      'public-resources:\n  a: &a {name: A, mode: tcp, proxy-port: 1}\n  b:\n    <<: *a\n    proxy-port: 2\n';
    expect(model(text).publicResources).toMatchObject([{ proxyPort: 1 }, { name: 'A', mode: 'tcp', proxyPort: 2 }]);
  });

  it.each([
    ['a duplicate key', web('name: Again'), '6:5 public-resources.web.name: is given twice'],
    ['a duplicate key in JSON', '{"sites":{"a":{"name":"A","name":"B"}}}', '1:27 sites.a.name: is given twice'],
    [
      'a number as key',
      'public-resources:\n  8080: {name: A, mode: tcp, proxy-port: 1}',
      '2:3 public-resources: a key must be text, not "8080": write "8080" in quotes',
    ],
    ['a map as key', '? {a: b}\n: c', /^1:3 a key must be text/],
    ['a second document', 'sites: {}\n---\nsites: {}', /^2:\d+ there is a second document/],
    ['a second document that is null', 'sites: {}\n---\n~\n', /^2:\d+ there is a second document/],
    [
      'a second document behind empty ones',
      '---\n---\nsites: {}\n---\n---\nsites: {}',
      /^5:\d+ there is a second document/,
    ],
    ['a hundred empty documents', '---\n'.repeat(250_000 / 4), /there are more than 100 documents in the file/],
    ['a cyclic anchor', 'sites: &a\n  b: *a', '2:6 sites.b: the alias *a stands inside its own anchor'],
    [
      'a bomb of aliases',
      `sites: &a0 [x]\n${Array.from({ length: 20 }, (_, i) => `k${i}: &a${i + 1} [${`*a${i},`.repeat(9)}]`).join('\n')}`,
      /the document has more than 200000 values, aliases written out/,
    ],
    ['an unknown anchor', 'sites: *a', /there is no anchor|Unresolved alias/],
    ['a control character', 'sites: {}\n# \u0007', '2:3 the character U+0007 cannot be in a document'],
    [
      'an escaped control character',
      publicly('name: "a\\u0000b"\nmode: tcp\nproxy-port: 1'),
      /name: must not contain control characters/,
    ],
    ['half a character', 'sites: {}\n# \ud83d', '2:3 the character U+D83D cannot be in a document'],
    ['a noncharacter', 'sites: {} # \ufdd0', '1:13 the character U+FDD0 cannot be in a document'],
    ['a tag', publicly('name: !secret A\nmode: tcp\nproxy-port: 1'), /^3:11 not valid YAML/],
    ['a tab for indentation', 'sites:\n\ta: 1', /not valid YAML/],
    ['a bracket left open', 'sites: {', /not valid YAML/],
  ])('%s is a problem', (_what, text, expected) => {
    const [first] = problems(text);
    if (typeof expected === 'string') expect(first).toBe(expected);
    else expect(first).toMatch(expected);
  });

  it.each([
    ['at the end', 'BODY---'],
    ['at the end, with a line end', 'BODY---\n'],
    ['at both ends', '---\nBODY---\n'],
    ['at the end, with a comment', 'BODY---\n# the end\n'],
    ['several times', '---\n---\nBODY---\n---\n# x\n...\n'],
    ['that ends a document', '---\nBODY...\n'],
    ['that ends a document, and one that begins none', 'BODY...\n---\n'],
    ['behind a directive', '%YAML 1.2\n---\nBODY---\n'],
    ['with Windows line ends', 'BODY---\r\n'],
  ])('takes a mark of documents %s', (_where, text) => {
    const body = publicly('name: Broker\nmode: tcp\nproxy-port: 1883');
    expect(model(text.replace('BODY', body))).toEqual(model(body));
  });

  it('knows where things are behind a mark', () => {
    expect(problems('---\n---\nsites: {a: {nam: b, name: c}}\n---\n')).toEqual([
      expect.stringMatching(/^3:13 sites.a.nam: is not known here; did you mean "name"/),
    ]);
  });

  it('an empty file with marks says nothing', () =>
    expect(problems('---\n---\n')).toEqual([expect.stringMatching(/the document is empty/)]));

  it('strict JSON is asked for with its format', () => {
    expect(problems('sites: {}', { format: 'json' })).toEqual([expect.stringMatching(/^1:1 not valid JSON/)]);
    expect(problems('{"sites":{},}', { format: 'json' })).toEqual([
      expect.stringMatching(/^1:13 not valid JSON: a key/),
    ]);
    expect(model('{sites: {}}')).toEqual(model('{}'));
  });

  it('is limited in bytes, and the caller may allow up to 1 MB', () => {
    const large = `{} # ${'x'.repeat(300 * 1024)}`;
    expect(problems(large)).toEqual([expect.stringMatching(/at most 262144 are read/)]);
    expect(problems(large, { maxBytes: 400 * 1024 })).toEqual([]);
    expect(problems(' '.repeat(1024 * 1024 + 1), { maxBytes: 1e9 })).toEqual([
      expect.stringMatching(/at most 1048576 are read/),
    ]);
  });
});

it.each(['{a: {b: 1\n', 'public-resources: {web: {name: x\nfoo: 1\n', '[[[['])('names one mistake once: %j', (text) => {
  const { problems } = parse(text);
  expect(new Set(problems.map(({ line, column }) => `${line}:${column}`)).size).toBe(problems.length);
});

describe('places', () => {
  const text =
    'proxy-resources:\n  a.b:\n    targets:\n      - hostname: x\n        port: 1\n      - {hostname: "{{env.X}}", port: 2}\n  a: {name: A}\n';
  it.each([
    ['public-resources.a.b.targets[1]', 6, 9],
    ['public-resources.a.b.targets[1].port', 6, 39],
    ['public-resources.a.b.targets', 3, 5],
    ['public-resources.a.b', 2, 3],
    ['public-resources.a.name', 7, 13],
    ['public-resources.a.b.targets[1].path', 6, 9],
    ['public-resources.a.b.targets[9]', 4, 7],
    ['public-resources.c', 1, 1],
    ['private-resources.x', 0, 0],
    ['', 0, 0],
  ])('of %s', (path, line, column) =>
    expect(placesOf(text, { templates: environmentTemplates({ X: 'x' }) }, [path])).toEqual([{ line, column }]),
  );
  it('of what cannot be read are none', () =>
    expect(placesOf('{a: [', {}, ['a', 'b'])).toEqual([
      { line: 0, column: 0 },
      { line: 0, column: 0 },
    ]));
});
