import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BundlePayload, INSTANCE_LIMITS } from '#contracts';
import { describeProblem } from '#document';
import { EXAMPLE, VALUES } from '../../test/support/bootstraps.js';
import { checkBundle, fillText, parseBootstrap, render } from './index.js';

const rendered = () => {
  const { bootstrap } = parseBootstrap(EXAMPLE);
  return JSON.parse(JSON.stringify(render(bootstrap!, VALUES))) as Payload;
};
/** Any JSON, as it comes from the wire. */
// biome-ignore lint/suspicious/noExplicitAny: the tests break it in every way
type Payload = Record<string, any>;
const problems = (change: (payload: Payload) => void) => {
  const payload = rendered();
  change(payload);
  return checkBundle(payload).map(describeProblem);
};
const part = { env: 'A', line: 1, column: 1 };

describe('the payload of a bundle', () => {
  it('is taken with what a newer server adds', () => {
    expect(
      problems((payload) => {
        Object.assign(payload, { iss: 'org', ver: 4_294_967_297, later: { a: 1 } });
        Object.assign(payload['files'][0], { owner: 'app' });
        Object.assign(payload['run'], { nice: 5 });
        payload['env'].A = [{ ...part, default: '', filters: ['json'], later: true }];
      }),
    ).toEqual([]);
  });

  it.each<[string, (payload: Payload) => void, RegExp]>([
    ['no env', (p) => delete p['env'], /^env: is required$/],
    ['no files', (p) => delete p['files'], /^files: is required$/],
    ['no dependencies', (p) => delete p['dependencies'], /^dependencies: is required$/],
    ['no run', (p) => delete p['run'], /^run: is required$/],
    ['no way to be ready', (p) => delete p['run'].ready, /^run.ready: is required$/],
    ['no end of the wait', (p) => delete p['run'].ready.timeoutSeconds, /^run.ready.timeoutSeconds: is required$/],
    ['no mode', (p) => delete p['files'][0].mode, /^files\[0\].mode: is required$/],
    ['a list of variables', (p) => (p['env'] = []), /^env: must be a map, not a list$/],
    ['a text that is no list', (p) => (p['env'].A = 'a'), /^env.A: must be a list of parts, not text$/],
    ['a part that is a number', (p) => (p['env'].A = [1]), /^env.A\[0\]: must be text or \{env\}, not a number$/],
    ['a part without a name', (p) => (p['env'].A = [{ line: 1, column: 1 }]), /^env.A\[0\].env: is required$/],
    [
      'a part for a key',
      (p) => (p['env'].A = [{ ...part, env: 'GATEHOUSE_KEY' }]),
      /GATEHOUSE_KEY is the agent's own$/,
    ],
    [
      'a part with a number for nothing',
      (p) => (p['env'].A = [{ ...part, default: 5 }]),
      /default: must be text, not 5/,
    ],
    ['a path that is a number', (p) => (p['files'][0].path = -1), /^files\[0\].path: must be text, not -1/],
    [
      'a part with a foreign filter',
      (p) => (p['env'].A = [{ ...part, filters: ['exec'] }]),
      /filters\[0\]: must be one of/,
    ],
    ['many filters', (p) => (p['env'].A = [{ ...part, filters: Array(9).fill('json') }]), /filters: may have 8 items/],
    ['half a character', (p) => (p['env'].A = ['\ud800']), /^env.A\[0\]: must not hold halves of characters$/],
    ['a reserved variable', (p) => (p['env'].LD_PRELOAD = ['x']), /^env.LD_PRELOAD: LD_PRELOAD is reserved/],
    ['U+0000 in a variable', (p) => (p['env'].A = ['a', '\0']), /^env.A: must not hold the character U\+0000$/],
    ['a path that leaves', (p) => (p['files'][0].path = '../x'), /^files\[0\].path: must not leave/],
    ['a path with U+0000', (p) => (p['files'][0].path = 'a\0'), /^files\[0\].path: must not contain control/],
    [
      'the same path twice',
      (p) => (p['dependencies'][0].path = 'CONFIG/App.yaml'),
      /^dependencies\[0\].path: is the same as/,
    ],
    ['a mode for everybody', (p) => (p['files'][0].mode = '0644'), /^files\[0\].mode: must be a mode/],
    ['a mode as a number', (p) => (p['files'][0].mode = 256), /^files\[0\].mode: must be text, not 256/],
    ['a url of a file', (p) => (p['dependencies'][0].url = ['file:///x']), /^dependencies\[0\].url: must begin with/],
    [
      'a url with a user',
      (p) => (p['dependencies'][0].url = ['https://', part, '@a/']),
      /^dependencies\[0\].url: must not hold a user/,
    ],
    ['a short digest', (p) => (p['dependencies'][0].sha256 = 'ab'), /^dependencies\[0\].sha256: must be/],
    ['a size below nothing', (p) => (p['dependencies'][0].size = -1), /^dependencies\[0\].size: must be/],
    ['a size as text', (p) => (p['dependencies'][0].size = '1'), /^dependencies\[0\].size: must be/],
    [
      'too many dependencies',
      (p) => (p['dependencies'] = Array(65).fill(p['dependencies'][0])),
      /^dependencies: may have 64 items, not 65$/,
    ],
    ['too many files', (p) => (p['files'] = Array(257).fill(p['files'][0])), /^files: may have 256 items, not 257$/],
    [
      'too many variables',
      (p) => (p['env'] = Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`V${i}`, []]))),
      /^env: may have 512 variables, not 513$/,
    ],
    ['an unknown act', (p) => (p['run'].onRevoke = 'signal:SIGKILL'), /^run.onRevoke: must be stop, ignore/],
    ['two ways to be ready', (p) => (p['run'].ready.file = 'a'), /^run.ready: must say one of/],
    ['a foreign url to ask', (p) => (p['run'].ready.http = 'gopher://a'), /^run.ready.http: must begin with/],
    [
      'a ready file that leaves',
      (p) => (p['run'].ready = { file: '/x', timeoutSeconds: 1 }),
      /^run.ready.file: must not be absolute/,
    ],
    [
      'an offline grace too long',
      (p) => (p['run'].offlineGraceSeconds = 2_592_001),
      /^run.offlineGraceSeconds: must be/,
    ],
  ])('is refused with %s', (_what, change, expected) => {
    expect(problems(change)).toEqual([expect.stringMatching(expected)]);
  });

  it.each([[null], [undefined], ['text'], [1], [[]], [{}], [true], [() => 1]])('is not %s', (payload) => {
    expect(checkBundle(payload)).not.toEqual([]);
  });

  it('is as large as a bundle may be, and no larger', () => {
    const padded = (bytes: number) =>
      problems((p) => (p['config'] = 'x'.repeat(bytes - JSON.stringify({ ...p, config: '' }).length)));
    expect(padded(INSTANCE_LIMITS.bundleBytes)).toEqual([]);
    expect(padded(INSTANCE_LIMITS.bundleBytes + 1)).toEqual([
      `the bundle has ${INSTANCE_LIMITS.bundleBytes + 1} bytes; at most ${INSTANCE_LIMITS.bundleBytes} are taken`,
    ]);
  });

  it('is refused when it is nested without an end, and with more values than anybody reads', () => {
    const deep = JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`) as unknown;
    expect(problems((p) => (p['config'] = deep))).toEqual(['the bundle is nested more than 24 levels deep']);
    expect(problems((p) => (p['config'] = Array(200_001).fill(0)))).toContain('the bundle has more than 200000 values');
  });

  it('never throws, and never takes one whose files could not be written', () => {
    const odd = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(null, '', '../x', -1, [], {}, '__proto__', { ...part, default: 5 }, [{ ...part, filters: [7] }]),
    );
    const places = [
      'env',
      'env.INSTANCE',
      'env.INSTANCE.0',
      'files',
      'files.0',
      'files.0.path',
      'files.0.content',
      'dependencies.0',
      'dependencies.0.url.0',
      'run',
      'run.ready',
      'run.ready.http',
    ];
    fc.assert(
      fc.property(fc.constantFrom(...places), odd, (place, value) => {
        const payload = rendered();
        const keys = place.split('.');
        const last = keys.pop()!;
        const parent = keys.reduce<Payload>((node, key) => node[key] as Payload, payload);
        parent[last] = value;
        if (checkBundle(payload).length > 0) return;
        const { env, files, dependencies } = payload as BundlePayload;
        for (const { path, mode } of files) {
          expect(path).toMatch(/^[^/\\\0]+(?:\/[^/\\\0]+)*$/);
          expect(mode).toMatch(/^0[4-7][04]0$/);
        }
        const texts = [
          ...Object.values(env),
          ...files.map(({ content }) => content),
          ...dependencies.map(({ url }) => url),
        ];
        for (const text of texts) expect(typeof fillText(text, { A: 'a', MIRROR: 'm' })).toBe('string');
      }),
      { numRuns: 1000 },
    );
  });
});
