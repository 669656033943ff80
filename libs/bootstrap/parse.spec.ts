import { describe, expect, it } from 'vitest';
import { describeProblem } from '#document';
import { EXAMPLE } from '../../test/support/bootstraps.js';
import { EMPTY_BOOTSTRAP, parseBootstrap, usesOf, warningsOf } from './index.js';

const model = (text: string) => {
  const { bootstrap, problems } = parseBootstrap(text);
  if (!bootstrap) throw new Error(problems.map(describeProblem).join('\n'));
  return bootstrap;
};
const problems = (text: string) => parseBootstrap(text).problems.map(describeProblem);
const file = (path: string, rest = '') => `files: [{path: ${JSON.stringify(path)}, content: x${rest}}]`;
const dependency = (given: Record<string, unknown> = {}) =>
  JSON.stringify({
    dependencies: [{ name: 'a', url: 'https://a.example/x', sha256: 'a'.repeat(64), size: 1, path: 'a', ...given }],
  });

describe('a bootstrap document', () => {
  it('is read as it is written', () => {
    expect(model(EXAMPLE)).toEqual({
      env: [
        {
          name: 'DATABASE_URL',
          value: [
            'postgres://app:',
            { from: 'secret', name: 'DB_PASSWORD', filters: ['uri'], line: 2, column: 33 },
            '@db.internal/app',
          ],
        },
        { name: 'INSTANCE', value: [{ from: 'site', name: 'niceId', filters: [], line: 3, column: 14 }] },
      ],
      files: [
        {
          path: 'config/app.yaml',
          mode: '0400',
          content: [
            'listen: 8080\ntoken: ',
            { from: 'secret', name: 'API_TOKEN', filters: ['json'], line: 9, column: 14 },
            '\n',
          ],
        },
      ],
      config: {
        map: [
          ['region', { text: [{ from: 'label', name: 'region', filters: [], line: 10, column: 20 }] }],
          ['replicas', { value: 3 }],
          [
            'nested',
            {
              list: [
                { value: true },
                { value: null },
                { text: [{ from: 'org', name: 'id', filters: [], line: 10, column: 74 }] },
              ],
            },
          ],
        ],
      },
      dependencies: [
        {
          name: 'model',
          url: [
            {
              from: 'env',
              name: 'MIRROR',
              default: 'https://files.example.com',
              filters: [],
              line: 13,
              column: 11,
            },
            '/model-7.bin',
          ],
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
        ready: { http: ['http://127.0.0.1:8080/healthz'], timeoutSeconds: 30 },
        stopGraceSeconds: 5,
        offlineGraceSeconds: 0,
      },
    });
  });

  it('is the same in JSON, and without anything what EMPTY_BOOTSTRAP says', () => {
    expect(model('{}')).toEqual(EMPTY_BOOTSTRAP);
    const [inYaml, inJson] = [`env: {A: '{{env.B | default "c"}}'}`, '{"env":{"A":"{{env.B | default \\"c\\"}}"}}'];
    const part = { from: 'env', name: 'B', default: 'c', filters: [], line: 1 };
    expect(model(inYaml).env).toEqual([{ name: 'A', value: [{ ...part, column: 11 }] }]);
    expect(model(inJson).env).toEqual([{ name: 'A', value: [{ ...part, column: 14 }] }]);
  });

  it('names what it uses', () => {
    expect(usesOf(model(EXAMPLE))).toEqual({
      secrets: ['DB_PASSWORD', 'API_TOKEN'],
      site: ['niceId'],
      labels: ['region'],
    });
  });

  it('takes filters in a row, behind a default, and braces that are no template', () => {
    expect(model(`env: {A: '{{label.a/b | default "x" | json | base64}}'}`).env[0]?.value).toMatchObject([
      { from: 'label', name: 'a/b', default: 'x', filters: ['json', 'base64'] },
    ]);
    expect(model(`files:\n  - path: a\n    content: |\n      {{"{{"}} .Name }} {\n`).files[0]?.content).toEqual([
      '{{ .Name }} {\n',
    ]);
    expect(model('env: {A: "{{ ", B: 8080}').env).toEqual([
      { name: 'A', value: ['{{ '] },
      { name: 'B', value: ['8080'] },
    ]);
  });

  it.each<[string, string, string | RegExp]>([
    ['no namespace', 'env: {A: "{{secrets.A}}"}', /^1:11 env.A: .* there is no "secrets"; did you mean secret\?$/],
    ['a field of the site', 'env: {A: "{{site.nicId}}"}', /^1:11 env.A: .*; did you mean niceId\?$/],
    ['a field of the org', 'env: {A: "{{org.name}}"}', /an organization has id, not "name"$/],
    ['a small secret', 'env: {A: "{{secret.token}}"}', /; did you mean TOKEN\?$/],
    ['a filter', 'env: {A: "{{secret.A | ury}}"}', /there is no filter "ury"; did you mean uri\?$/],
    ['a filter with a text', `env: {A: '{{env.A | default "x" | json "y"}}'}`, /is not understood/],
    ['a default without quotes', 'env: {A: "{{env.A | default x}}"}', /is not understood/],
    ['a default behind a filter', `env: {A: '{{env.A | json | default "x"}}'}`, /a default stands once, before/],
    ['a default of a secret', `env: {A: '{{secret.A | default "x"}}'}`, /is never without a value/],
    ["the agent's own variable", 'env: {A: "{{env.GATEHOUSE_KEY}}"}', /GATEHOUSE_KEY is the agent's own$/],
    [
      'a template of others',
      'files:\n  - path: a\n    content: |\n      x\n        {{ .Values.x }}\n',
      /^5:9 files\[0\].content: \{\{ .Values.x \}\} is not understood.* write \{\{"\{\{"\}\} for the braces/,
    ],
    [
      'a template that does not end',
      'files:\n  - path: a\n    content: |\n      x\n      {{ secret.A }\n',
      /^5:7 files\[0\].content: .* begins a template that does not end/,
    ],
    [
      'a template without quotes that is none',
      `env: {A: {{ label.x | default 'y' }}}`,
      /^1:10 env.A: without quotes \{\{ begins a map in YAML/,
    ],
    [
      'a secret in a url',
      dependency({ url: 'https://a/{{secret.A}}' }),
      /\{\{secret.A\}\} cannot stand here: what is fetched/,
    ],
    ['a secret in run', 'run: {ready: {http: "http://a/{{secret.A}}"}}', /run.ready.http: .* holds no secrets/],
    ['a variable in run', 'run: {ready: {http: "http://a/{{env.A}}"}}', /run.ready.http: .* the agent fills in env/],
    ['a variable in config', 'config: {a: "{{env.A}}"}', /config.a: .* the agent fills in env/],
    ['a template in a path', file('{{site.name}}'), /files\[0\].path: a template cannot stand here/],
    ['a template in a key', 'config: {"{{org.id}}": 1}', /config: a template cannot stand in a key/],
    ['a template as a variable', 'env: {"{{org.id}}": x}', /is not the name of a variable/],
    ['an unknown section', 'dependancies: []', /did you mean "dependencies"\?/],
    ['an unknown field', 'run: {onchange: hold}', '1:7 run.onchange: is not known here; did you mean "onChange"?'],
    ['a number out of range', 'run: {offlineGraceSeconds: 2592001}', /must be a whole number from 0 to 2592000/],
    ['true as a text', 'env: {A: true}', /must be text, not true or false: write it in quotes/],
    ['nothing as a text', 'env: {A: }', /must be text, not nothing: write "" for no text/],
    ['a file without content', 'files: [{path: a}]', /files\[0\].content: is required/],
    ['two ways to be ready', 'run: {ready: {file: a, afterSeconds: 1}}', /must say one of afterSeconds, http and file/],
    ['no way to be ready', 'run: {ready: {}}', /must say one of afterSeconds, http and file/],
    ['a wait longer than its end', 'run: {ready: {afterSeconds: 60}}', /must be more than ready.afterSeconds/],
    ['a signal of no use', 'run: {onChange: signal:SIGKILL}', /must be restart, hold, signal:SIGHUP/],
    ['a number JSON loses', 'config: {a: 12345678901234567890}', /12345678901234567890 is not one that JSON keeps/],
    ['a number JSON has not', 'config: {a: .inf}', /\.inf is not one that JSON keeps/],
    ['half a character', '{"env":{"A":"\\ud800"}}', /must not hold halves of characters/],
    ['U+0000 in a variable', '{"env":{"A":"\\u0000"}}', /must not hold the character U\+0000/],
    ['nothing at all', '', 'the document is empty; {} is a bootstrap without anything'],
    ['a list', '[]', /a bootstrap must be a map, not a list/],
  ])('refuses %s', (_what, text, expected) => {
    const found = problems(text);
    if (typeof expected === 'string') expect(found).toEqual([expect.stringContaining(expected)]);
    else expect(found.join('\n')).toMatch(new RegExp(expected, 'm'));
  });

  it('says what is wrong in the order of the text, of many the first', () => {
    const wrong = Array.from({ length: 30 }, (_, i) => `  A${i}: true`).join('\n');
    const found = problems(`envs: {}\nenv:\n${wrong}`);
    expect(found).toHaveLength(20);
    expect(found[0]).toMatch(/^1:1 envs: is not known here; did you mean "env"\?/);
    expect(found.slice(1, -1).map((one) => Number(one.split(':')[0]))).toEqual(
      Array.from({ length: 18 }, (_, i) => i + 3),
    );
    expect(found.at(-1)).toBe('and 12 more problems');
  });

  it('warns of a secret in a URL without uri, wherever the URL is', () => {
    const text = `env:
  A: "postgres://{{env.USER}}:{{secret.A}}@db/{{secret.B | uri}}"
  B: "{{secret.WHOLE}} http://x {{secret.C}}"
config: { url: "https://x/{{secret.D | base64}}" }
`;
    expect(
      warningsOf(model(text)).map((one) => `${one.line}:${one.column} ${one.path} ${one.message.slice(0, 12)}`),
    ).toEqual(['2:31 env.A {{secret.A}}', '4:27 config.url {{secret.D}}']);
  });
});

describe('paths', () => {
  it.each([
    '/etc/passwd',
    '../x',
    'a/../../x',
    'a//b',
    './a',
    'a/',
    '..',
    'C:/x',
    'C:x',
    'a\\b',
    '\\\\server\\share',
    'a\u0000b',
    'a\nb',
    'current',
    'CURRENT/x',
    'ｃurrent',
    'cur\u200drent',
    'a.',
    'a /b',
    ' a',
    'a/b.',
    'x'.repeat(256),
    `${'a/'.repeat(16)}a`,
    'gatehouse-config.json',
    '',
  ])('such as %j are refused', (path) => {
    expect(problems(file(path))).toEqual([expect.stringMatching(/files\[0\].path: /)]);
    expect(problems(dependency({ path }))).toEqual([expect.stringMatching(/dependencies\[0\].path: /)]);
    expect(problems(JSON.stringify({ run: { ready: { file: path } } }))).not.toEqual([]);
  });

  it.each(['a', '.env', 'a/current', 'größe/ü.txt', 'a b', '...x', 'x'.repeat(255)])('such as %j are taken', (path) => {
    expect(problems(file(path))).toEqual([]);
  });

  it.each([
    ['a', 'a', /is given twice/],
    ['a/B', 'A/b', /is the same as "a\/B" on some systems/],
    ['stra\u00dfe', 'STRASSE', /is the same as/],
    ['\u00fc', 'u\u0308', /is the same as/],
    ['\ufb01', 'fi', /is the same as/],
    ['a\u200b', 'a', /is the same as/],
    ['a', 'A/b', /is below "a", which is a file/],
    ['a/b/c', 'A', /is a folder of "a\/b\/c"/],
  ])('%j and %j do not stand beside each other', (one, other, expected) => {
    const two = JSON.stringify({ files: [one, other].map((path) => ({ path, content: '' })) });
    expect(problems(two)).toEqual([expect.stringMatching(expected)]);
    const across = JSON.stringify({ files: [{ path: one, content: '' }], ...JSON.parse(dependency({ path: other })) });
    expect(problems(across)).toEqual([expect.stringMatching(/^1:\d+ dependencies\[0\].path: /)]);
  });

  it('nor does the file that says ready with one that is written', () => {
    expect(problems('files: [{path: ready, content: x}]\nrun: {ready: {file: Ready}}')).toEqual([
      expect.stringContaining('run.ready.file: is the same as "ready"'),
    ]);
  });
});

describe('single values', () => {
  it.each(['0300', '0410', '0401', '400', '0o400', '4400', '0777', '0402'])('the mode %s is refused', (mode) => {
    expect(problems(file('a', `, mode: "${mode}"`))).toEqual([
      expect.stringContaining('files[0].mode: must be a mode'),
    ]);
  });

  it.each(['0400', '0440', '0500', '0640', '0700', '0740'])('the mode %s is taken, in quotes or not', (mode) => {
    expect(model(file('a', `, mode: ${mode}`)).files[0]?.mode).toBe(mode);
  });

  it.each([
    'GATEHOUSE_CONFIG',
    'PATH',
    'Path',
    'LD_PRELOAD',
    'DYLD_INSERT_LIBRARIES',
    'NODE_OPTIONS',
    'NODE_PATH',
    'npm_config_script_shell',
    'BASH_ENV',
    'BASH_FUNC_x',
    'ENV',
    'IFS',
    'PYTHONPATH',
    'PERL5OPT',
    'RUBYOPT',
    'JAVA_TOOL_OPTIONS',
    'JDK_JAVA_OPTIONS',
    '_JAVA_OPTIONS',
    'CLASSPATH',
    'DOTNET_STARTUP_HOOKS',
    'CORECLR_PROFILER_PATH',
    'GIT_SSH_COMMAND',
    'OPENSSL_CONF',
    'GCONV_PATH',
    'LUA_INIT',
    'PHPRC',
    'ERL_FLAGS',
    '__proto__',
  ])('the variable %s is reserved', (name) => {
    expect(problems(JSON.stringify({ env: { [name]: 'x' } }).replace('{}', `{"${name}":"x"}`))).toEqual([
      expect.stringContaining(`${name} is reserved: it `),
    ]);
  });

  it.each(['', '1A', 'A-B', 'A B', 'Ä', 'A=B', 'x'.repeat(256)])('%j is the name of no variable', (name) => {
    expect(problems(JSON.stringify({ env: { [name]: 'x' } }))).toEqual([
      expect.stringContaining('is not the name of a variable'),
    ]);
  });

  it('others are free, those that differ in case alone too', () => {
    expect(
      model('env: {http_proxy: a, HTTP_PROXY: b, JAVA_OPTS: c, HOME: d, PATHS: e, GITHUB_TOKEN: f}').env,
    ).toHaveLength(6);
    expect(problems('env: {A: a, A: b}')).toEqual([expect.stringContaining('env.A: is given twice')]);
  });

  it.each([
    'ftp://a/x',
    'file:///etc/passwd',
    'https:a',
    '//a/x',
    'https://user@a/x',
    'https://user:pw@a/x',
    'https://@a/x',
    'https://{{env.U}}@a/x',
    'https://a\\@b/x',
    'https://a/ x',
    'https://ä/x',
    'https://',
    'https://a:99999/x',
    '',
    `https://a/${'x'.repeat(2048)}`,
  ])('the url %j is refused', (url) => {
    expect(problems(dependency({ url }))).toEqual([expect.stringContaining('dependencies[0].url: must ')]);
  });

  it.each([
    'http://a/x',
    'HTTPS://a/x',
    'https://{{label.region}}.example:{{env.PORT}}/x',
    '{{env.BASE}}/x',
    'https://[::1]/x',
  ])('the url %j is taken', (url) => expect(problems(dependency({ url }))).toEqual([]));

  it.each([
    [{ sha256: 'a'.repeat(63) }, /sha256: must be a SHA-256 digest/],
    [{ sha256: 'g'.repeat(64) }, /sha256: must be a SHA-256 digest/],
    [{ size: -1 }, /size: must be a whole number/],
    [{ size: 2 ** 40 + 1 }, /size: must be a whole number/],
    [{ size: 1.5 }, /size: must be a whole number/],
    [{ size: undefined }, /size: is required/],
    [{ name: '../a' }, /name: must be a name/],
    [{ url: undefined }, /url: is required/],
  ])('a dependency with %j is refused', (given, expected) => {
    expect(problems(dependency(given))).toEqual([expect.stringMatching(expected)]);
  });

  it('a digest has small letters', () => {
    expect(model(dependency({ sha256: 'AB'.repeat(32) })).dependencies[0]?.sha256).toBe('ab'.repeat(32));
  });
});
