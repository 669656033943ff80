import fc from 'fast-check';
import { TEXT_FILTERS } from '#contracts';
import type { Bootstrap, RenderValues, Template, Text } from '../../libs/bootstrap/index.js';

/** Every kind of part of the contract's example, once. */
export const EXAMPLE = `env:
  DATABASE_URL: "postgres://app:{{secret.DB_PASSWORD | uri}}@db.internal/app"
  INSTANCE: "{{site.niceId}}"
files:
  - path: config/app.yaml
    mode: "0400"
    content: |
      listen: 8080
      token: {{secret.API_TOKEN | json}}
config: { region: "{{label.region}}", replicas: 3, nested: [true, null, "{{org.id}}"] }
dependencies:
  - name: model
    url: "{{env.MIRROR | default "https://files.example.com"}}/model-7.bin"
    sha256: "${'ab'.repeat(32)}"
    size: 1048576
    path: models/model.bin
run:
  onChange: signal:SIGHUP
  ready: { http: "http://127.0.0.1:8080/healthz" }
  readyTimeoutSeconds: 30
  stopGraceSeconds: 5
  offlineGraceSeconds: 0
`.replace(
  '"{{env.MIRROR | default "https://files.example.com"}}/model-7.bin"',
  `'{{env.MIRROR | default "https://files.example.com"}}/model-7.bin'`,
);

export const VALUES: RenderValues = {
  secrets: new Map([
    ['DB_PASSWORD', 'p@ss/word'],
    ['API_TOKEN', 't"o\nk'],
  ]),
  site: { name: 'Press 14', niceId: 'calm-otter', deviceId: 'd0', hardwareId: null },
  labels: { region: 'eu' },
  org: { id: 'acme' },
};

/** Whatever a value may be: signs of every syntax that it may stand in. */
export const anyValue = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }),
  fc.constantFrom(
    '{{secret.B}}',
    '{{',
    '}}',
    '"',
    "'",
    "'\\''",
    '\n',
    '$(id)',
    '`id`',
    '%00',
    'a: b',
    '- x',
    '\u2028',
    '\u0085',
    '\\',
    '\ud800',
    '🦦',
  ),
);

const place = { line: fc.nat(1000), column: fc.nat(100) };
const filters = fc.array(fc.constantFrom(...TEXT_FILTERS), { maxLength: 3 });
const template = (from: Template['from'], ...names: string[]): fc.Arbitrary<Template> =>
  fc.record({ from: fc.constant(from), name: fc.constantFrom(...names), filters, ...place });
const literal = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
const text = (...parts: fc.Arbitrary<string | Template>[]): fc.Arbitrary<Text> =>
  fc.array(fc.oneof(literal, ...parts), { maxLength: 5 });
const served = [
  template('secret', 'A', 'B'),
  template('site', 'name', 'niceId'),
  template('label', 'region', 'line/4'),
  template('org', 'id'),
];
const asked = template('env', 'HOME', 'X');

const path = fc.integer({ min: 0, max: 1_000_000 }).map((n) => `folder/${n}.txt`);
const mode = fc.constantFrom('0400', '0440', '0600', '0700', '0740');

/** Models as documents make them, with templates wherever they may stand. */
export const anyBootstrap: fc.Arbitrary<Bootstrap> = fc.record({
  env: fc.uniqueArray(fc.record({ name: fc.stringMatching(/^V_[A-Za-z0-9_]{1,8}$/), value: text(...served, asked) }), {
    selector: ({ name }) => name,
    maxLength: 5,
  }),
  files: fc.uniqueArray(fc.record({ path, mode, content: text(...served, asked) }), {
    selector: (file) => file.path,
    maxLength: 5,
  }),
  config: fc
    .record({ a: text(...served), b: fc.oneof(fc.boolean(), fc.integer(), fc.constant(null)) })
    .map(({ a, b }) => ({
      map: [
        ['a', { text: a }],
        ['list', { list: [{ value: b }, { text: a }] }],
      ],
    })),
  dependencies: fc.uniqueArray(
    fc.record({
      name: fc.stringMatching(/^[a-z]{1,8}$/),
      url: fc
        .array(
          fc.oneof(...[...served.slice(1), asked].map((one) => one.map((t) => ({ ...t, filters: ['uri' as const] })))),
          { maxLength: 2 },
        )
        .map((parts) => ['https://files.example.com/', ...parts]),
      sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
      size: fc.nat(),
      path: fc.integer({ min: 0, max: 1_000_000 }).map((n) => `models/${n}.bin`),
      mode,
    }),
    { selector: (one) => one.path, maxLength: 3 },
  ),
  run: fc.record({
    onChange: fc.constantFrom('restart', 'hold', 'signal:SIGHUP'),
    onRevoke: fc.constantFrom('stop', 'ignore', 'signal:SIGTERM'),
    onExpire: fc.constantFrom('keep', 'stop'),
    ready: fc.constantFrom<Bootstrap['run']['ready'][]>(
      { afterSeconds: 5, timeoutSeconds: 60 },
      { http: ['http://127.0.0.1:8080/healthz'], timeoutSeconds: 60 },
      { file: 'ready', timeoutSeconds: 60 },
    ),
    stopGraceSeconds: fc.nat(1000),
    offlineGraceSeconds: fc.nat(1000),
  }),
});
