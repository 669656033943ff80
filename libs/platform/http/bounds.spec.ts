import { describe, expect, it, vi } from 'vitest';
import { HOSTILE } from '../../../test/support/hostile-requests.js';
import { BODY_BOUNDS, boundedText, checkUrl, FRAME_BOUNDS, scanJson, unstorableIn } from './bounds.js';

const bytes = (text: string) => Buffer.from(text);
const check = (text: string) => unstorableIn(text, JSON.parse(text))?.details.fields;
const scan = (text: string) => scanJson(bytes(text), BODY_BOUNDS);

describe('scanJson', () => {
  it('counts what is there', () => {
    expect(scan('{"a":[1,2,{"b":"x,y:[{"}],"c\\"":"\\\\"}')).toEqual({ values: 7, keys: 3 });
    expect(scan('7')).toEqual({ values: 1, keys: 0 });
    expect(scan('')).toEqual({ values: 1, keys: 0 });
  });

  it.each([
    ['a list of 1000 ids three times', JSON.stringify({ a: ids(1000), b: ids(1000), c: ids(1000) })],
    [
      'a configuration of 64 KB',
      JSON.stringify({
        config: Object.fromEntries(
          ids(900).map((i) => [`service-${i}`, { host: `10.0.0.${i % 255}`, port: i, name: 'x'.repeat(20) }]),
        ),
      }),
    ],
    ['a text of 1 MB', JSON.stringify({ a: 'x'.repeat(1_000_000) })],
    ['a hundred levels', `{"a":${'['.repeat(99)}${']'.repeat(99)}}`],
    ['the values of many objects', JSON.stringify({ a: ids(500).map((i) => ({ a: i, b: i })) })],
  ])('lets %s pass', (_, text) => expect(scan(text).problem).toBeUndefined());

  it.each<[string, string, string, RegExp]>([
    ['depth', `{"a":${'['.repeat(450_000)}${']'.repeat(450_000)}}`, 'a', /more than 100 levels/],
    ['depth of maps', `{"x":1,"b":${'{"a":'.repeat(150_000)}1`, 'b', /more than 100 levels/],
    ['keys', JSON.stringify(Object.fromEntries(ids(100_000).map((i) => [`k${i}`, 1]))), 'body', /more than 1000 keys/],
    [
      'keys further down',
      JSON.stringify({ config: { deep: Object.fromEntries(ids(2000).map((i) => [`k${i}`, 1])) } }),
      'config',
      /more than 1000 keys/,
    ],
    ['values', JSON.stringify({ list: ids(400_000) }), 'list', /more than 11000 values/],
    ['empty lists', `{"list":[${'[],'.repeat(300_000)}1]}`, 'list', /more than 11000 values/],
  ])('stops at its bound of %s, and names the field', (_, text, path, problem) => {
    const { values, keys, problem: found } = scan(text);
    expect(found).toEqual({ path, problem: expect.stringMatching(problem) as string });
    // The work that was done, whatever was sent.
    expect(values).toBeLessThanOrEqual(BODY_BOUNDS.values + 1);
    expect(keys).toBeLessThanOrEqual(BODY_BOUNDS.values + BODY_BOUNDS.keys);
  });

  it('is all that looks at a hostile body: nothing is parsed', () => {
    const parse = vi.spyOn(JSON, 'parse');
    for (const { name, text, within } of HOSTILE) {
      for (const bounds of [BODY_BOUNDS, FRAME_BOUNDS]) {
        if (!within) expect(() => boundedText(bytes(text), bounds), name).toThrow(/validation|Validation/);
      }
    }
    expect(parse).not.toHaveBeenCalled();
    parse.mockRestore();
  });
});

describe('boundedText', () => {
  it('refuses what is not UTF-8', () => {
    for (const wrong of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
      expect(() => boundedText(Buffer.from([0x22, ...wrong, 0x22]), BODY_BOUNDS)).toThrow(/not UTF-8/);
    }
    expect(boundedText(bytes('"😀"'), BODY_BOUNDS)).toBe('"😀"');
  });
});

describe('checkUrl', () => {
  it.each(['/a%FF', '/a?name=%FF', '/a?%C3%28=1', '/a?x=%ED%A0%80', '/a?x=%', '/a?x=%zz'])('refuses %s', (url) =>
    expect(() => checkUrl(url)).toThrow(/not UTF-8/),
  );
  it.each(['/a', '/a?x=%F0%9F%98%80', '/a?x=%25FF', `/a?${'x=1&'.repeat(99)}`])('lets %s pass', (url) => checkUrl(url));
  it('refuses more parameters than any operation takes', () =>
    expect(() => checkUrl(`/a?${'x&'.repeat(4000)}`)).toThrow(/more than 100 parameters/));
});

describe('unstorableIn', () => {
  it.each([
    ['NUL in a value', '{"a":{"b":["x","\\u0000"]}}', 'a.b.1'],
    ['half of a pair in a value', '{"a":"x\\ud83d"}', 'a'],
    ['the other half', '{"a":"\\uDE00x"}', 'a'],
    ['a key', '{"a":{"\\ud800":1}}', 'a'],
  ])('refuses %s', (_, text, path) =>
    expect(check(text)).toEqual([{ path, problem: 'holds a character that cannot be stored' }]),
  );

  it.each(['{"a":"\\ud83d\\ude00"}', '{"a":"\\\\ud800 \\\\u0000"}', '{"a":"😀"}', '{"a":null}', '7', 'null'])(
    'lets %s pass',
    (text) => expect(check(text)).toBeUndefined(),
  );
});

function ids(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1);
}
