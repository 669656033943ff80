import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { type BundleText, INSTANCE_LIMITS } from '#contracts';
import { anyBootstrap, anyValue, EXAMPLE, VALUES } from '../../test/support/bootstraps.js';
import { applyFilters } from './filters.js';
import {
  type Bootstrap,
  BootstrapError,
  checkBundle,
  EMPTY_BOOTSTRAP,
  fillText,
  parseBootstrap,
  type RenderValues,
  render,
  urlProblem,
  variableValueProblem,
} from './index.js';

const model = (text: string) => {
  const { bootstrap, problems } = parseBootstrap(text);
  if (!bootstrap) throw new Error(JSON.stringify(problems));
  return bootstrap;
};
const problemsOf = (bootstrap: Bootstrap, values: RenderValues = VALUES) => {
  try {
    render(bootstrap, values);
  } catch (error) {
    if (error instanceof BootstrapError) return error.problems;
    throw error;
  }
  return [];
};
/** As JSON brings it to the agent. */
const sent = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe('a rendered bootstrap', () => {
  it('holds the values, and what the agent fills in as parts', () => {
    expect(render(model(EXAMPLE), VALUES)).toEqual({
      env: { DATABASE_URL: ['postgres://app:p%40ss%2Fword@db.internal/app'], INSTANCE: ['calm-otter'] },
      files: [{ path: 'config/app.yaml', mode: '0400', content: ['listen: 8080\ntoken: "t\\"o\\nk"\n'] }],
      config: { region: 'eu', replicas: 3, nested: [true, null, 'acme'] },
      dependencies: [
        {
          name: 'model',
          url: [{ env: 'MIRROR', default: 'https://files.example.com', line: 13, column: 11 }, '/model-7.bin'],
          sha256: 'ab'.repeat(32),
          size: 1048576,
          path: 'models/model.bin',
          mode: '0400',
        },
      ],
      run: {
        onChange: 'signal:SIGHUP',
        onRevoke: 'stop',
        onExpire: 'keep',
        ready: { http: 'http://127.0.0.1:8080/healthz', timeoutSeconds: 30 },
        stopGraceSeconds: 5,
        offlineGraceSeconds: 0,
      },
    });
    expect(checkBundle(sent(render(EMPTY_BOOTSTRAP, VALUES)))).toEqual([]);
  });

  it('passes what the agent asks, whatever the values', () => {
    fc.assert(
      fc.property(anyBootstrap, anyValue, anyValue, anyValue, (bootstrap, a, b, label) => {
        const values: RenderValues = {
          secrets: new Map([
            ['A', a],
            ['B', b],
          ]),
          site: { name: 'Edge', niceId: 'calm-otter' },
          labels: { region: label, 'line/4': 'x' },
          org: { id: 'acme' },
        };
        const problems = problemsOf(bootstrap, values);
        // Only what no program can be handed, or no URL hold, is refused, and it is not sent.
        if (problems.length > 0) for (const { path } of problems) expect(path).toMatch(/^env\.|\.url$/);
        else expect(checkBundle(sent(render(bootstrap, values)))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('holds each value as it is, and never reads it as a template', () => {
    const bootstrap = model('files: [{path: a, content: "<{{secret.A}}|{{label.l}}|{{env.X}}|{{secret.A}}>"}]');
    fc.assert(
      fc.property(anyValue, anyValue, anyValue, (secret, label, variable) => {
        const values = { ...VALUES, secrets: new Map([['A', secret]]), labels: { l: label } };
        const { content } = sent(render(bootstrap, values)).files[0]!;
        expect(content.filter((part) => typeof part !== 'string')).toEqual([{ env: 'X', line: 1, column: 55 }]);
        const whole = (text: string) => Buffer.from(text).toString();
        expect(fillText(content, { X: variable })).toBe(
          `<${whole(secret)}|${whole(label)}|${whole(variable)}|${whole(secret)}>`,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('says what is missing, and where', () => {
    const bootstrap = model(
      'env:\n  A: "{{secret.NONE}}{{label.none}}{{site.hardwareId}}"\n  B: \'{{label.none | default "x"}}\'',
    );
    expect(problemsOf(bootstrap)).toEqual([
      { path: 'env.A', message: 'there is no value of the secret NONE', line: 2, column: 7 },
      { path: 'env.A', message: 'the site has no label none', line: 2, column: 22 },
      { path: 'env.A', message: 'the site has no hardwareId', line: 2, column: 36 },
    ]);
    expect(problemsOf(model('env: {A: "{{label.toString}}"}'))).toHaveLength(1);
  });

  it.each<[string, string, Partial<RenderValues>, string]>([
    ['U+0000 in a variable', 'env: {A: "{{secret.A}}"}', { secrets: new Map([['A', 'a\0']]) }, 'env.A'],
    [
      'a variable too long',
      'env: {A: "{{secret.A}}{{secret.A}}"}',
      { secrets: new Map([['A', 'x'.repeat(65_536)]]) },
      'env.A',
    ],
    ['a user in a url', 'run: {ready: {http: "http://{{label.l}}/"}}', { labels: { l: 'me@host' } }, 'run.ready.http'],
    ['a space in a url', 'run: {ready: {http: "http://a/{{label.l}}"}}', { labels: { l: 'a b' } }, 'run.ready.http'],
  ])('refuses %s', (_what, text, values, path) => {
    const problems = problemsOf(model(text), { ...VALUES, ...values });
    expect(problems.map((one) => one.path)).toEqual([path]);
    for (const value of values.secrets?.values() ?? []) expect(JSON.stringify(problems)).not.toContain(value);
  });

  it('takes secrets as bytes, and those that are no text as base64 alone', () => {
    const bytes = Buffer.from([0xff, 0x00, 0xfe]);
    const values = { ...VALUES, secrets: new Map([['A', bytes]]) };
    expect(render(model('env: {A: "{{secret.A | base64 | uri}}"}'), values).env.A).toEqual([
      '_wD-'.replace('_', '%2F').replace('-', '%2B'),
    ]);
    expect(problemsOf(model('env: {A: "{{secret.A | uri}}"}'), values)).toEqual([
      {
        path: 'env.A',
        message: 'the secret A holds bytes that are no text: write {{secret.A | base64}}',
        line: 1,
        column: 11,
      },
    ]);
    const text = { ...VALUES, secrets: new Map([['A', Buffer.from('grün')]]) };
    expect(render(model('env: {A: "{{secret.A}} {{secret.A | base64}}"}'), text).env.A).toEqual(['grün Z3LDvG4=']);
  });

  it('is never put together when it would be far larger than a bundle may be', () => {
    const part = { from: 'secret' as const, name: 'A', filters: [], line: 1, column: 1 };
    const bootstrap: Bootstrap = {
      ...EMPTY_BOOTSTRAP,
      files: [{ path: 'a', mode: '0400', content: Array.from({ length: 20_000 }, () => part) }],
    };
    expect(problemsOf(bootstrap, { ...VALUES, secrets: new Map([['A', 'x'.repeat(65_536)]]) })).toEqual([
      { path: '', message: `the bundle has more than ${INSTANCE_LIMITS.bundleBytes} bytes`, line: 0, column: 0 },
    ]);
    // Quotes double as JSON: it is the bundle that is measured.
    const quotes = model(
      'files: [{path: a, content: "{{secret.A}}{{secret.A}}{{secret.A}}{{secret.A}}{{secret.A}}{{secret.A}}{{secret.A}}{{secret.A}}{{secret.A}}"}]',
    );
    expect(problemsOf(quotes, { ...VALUES, secrets: new Map([['A', '"'.repeat(65_536)]]) })).toHaveLength(1);
    expect(problemsOf(quotes, { ...VALUES, secrets: new Map([['A', 'x'.repeat(65_536)]]) })).toEqual([]);
  });
});

describe('what the agent fills in', () => {
  const text: BundleText = [
    'a ',
    { env: 'X', filters: ['shell'], line: 3, column: 4 },
    { env: 'Y', default: 'd', line: 3, column: 9 },
  ];

  it('comes from its environment, or the default', () => {
    expect(fillText(text, { X: "it's", Y: '' })).toBe("a 'it'\\''s'd");
    expect(fillText(text, { X: '{{env.Y}}', Y: 'y' })).toBe("a '{{env.Y}}'y");
  });

  it.each([{}, { X: '' }, { X: undefined }])('is a problem with its place when it is not there (%j)', (env) => {
    expect(() => fillText(text, env, 'env.A')).toThrow('3:4 env.A: the environment variable X is not set');
  });
});

describe('a text that is only whole on the machine', () => {
  it('is held against the rules once more, and its problem says where and not what', () => {
    const url: BundleText = [{ env: 'BASE', line: 3, column: 9 }, '/x'];
    const of = (BASE: string) => () => fillText(url, { BASE }, 'dependencies[0].url', urlProblem);
    expect(of('https://a.example')()).toBe('https://a.example/x');
    expect(of('https://me:secret@a.example')).toThrow(/^3:9 dependencies\[0\].url: must not hold a user or password$/);
    const long = () =>
      fillText(url, { BASE: 'x'.repeat(128 * 1024) }, 'env.A', (value) => variableValueProblem('A', value));
    expect(long).toThrow(/^3:9 env.A: a variable with its value may have 131072 bytes, not 131077$/);
  });
});

describe('filters', () => {
  // 64 KB of quotes are 570 million characters after the last of them: more than a text can have, and than a server has memory for.
  const quotes = "'".repeat(INSTANCE_LIMITS.secretBytes);
  const eight = Array<'shell'>(8).fill('shell');
  const tooLong = expect.objectContaining({
    problems: [expect.objectContaining({ message: `the bundle has more than ${INSTANCE_LIMITS.bundleBytes} bytes` })],
  });

  it('stop at what no bundle may hold, on the server', () => {
    const bootstrap = model(`env: { A: "{{secret.A | ${eight.join(' | ')}}}" }`);
    const values = { ...VALUES, secrets: new Map([['A', Buffer.from(quotes)]]) };
    expect(() => render(bootstrap, values)).toThrow(tooLong);
  });

  it('and on the agent, where many may stand in one text', () => {
    expect(() => fillText([{ env: 'A', default: quotes, filters: eight, line: 1, column: 1 }], {})).toThrow(tooLong);
    expect(() => fillText(Array<BundleText[number]>(17).fill({ env: 'A', line: 1, column: 1 }), { A: quotes })).toThrow(
      tooLong,
    );
  });

  const whole = fc.oneof(fc.string({ unit: 'binary' }), anyValue).map((text) => Buffer.from(text).toString());

  it('json is JSON, and YAML too; yaml the other way round', () => {
    fc.assert(
      fc.property(whole, (text) => {
        for (const filter of ['json', 'yaml'] as const) {
          const filtered = applyFilters(text, [filter]);
          expect(JSON.parse(filtered)).toBe(text);
          expect(filtered).not.toMatch(/[\n\r\u0085\u2028\u2029]/);
          for (const version of ['1.1', '1.2'] as const)
            expect(parseYaml(`a:\n  - b: ${filtered} # c\n    d: x`, { version })).toEqual({
              a: [{ b: text, d: 'x' }],
            });
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('uri is one part of a URL', () => {
    fc.assert(
      fc.property(whole, (text) => {
        const filtered = applyFilters(text, ['uri']);
        expect(filtered).toMatch(/^(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})*$/);
        expect(decodeURIComponent(filtered)).toBe(text);
      }),
    );
  });

  it('base64 is that of its bytes, and filters run from left to right', () => {
    fc.assert(
      fc.property(whole, (text) => {
        expect(applyFilters(text, ['base64'])).toBe(Buffer.from(text).toString('base64'));
        expect(applyFilters(text, ['json', 'base64', 'uri'])).toBe(
          encodeURIComponent(Buffer.from(applyFilters(text, ['json'])).toString('base64')),
        );
      }),
    );
  });

  it('shell is one word to a real shell', () => {
    const texts = fc.sample(
      whole.filter((text) => !text.includes('\0')),
      { numRuns: 200, seed: 1 },
    );
    const script = texts.map((text) => `printf '%s\\0' ${applyFilters(text, ['shell'])}`).join('\n');
    const said = execFileSync('sh', ['-s'], { input: script, maxBuffer: 1 << 24 })
      .toString()
      .split('\0');
    expect(said.slice(0, -1)).toEqual(texts);
  });
});
