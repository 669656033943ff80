import { describe, expect, it } from 'vitest';
import { checkBody } from './body-check.js';

const check = (text: string) => checkBody(text, JSON.parse(text))?.details.fields;

describe('checkBody', () => {
  it.each([
    ['NUL in a value', '{"a":{"b":["x","\\u0000"]}}', 'a.b.1'],
    ['half of a pair in a value', '{"a":"x\\ud83d"}', 'a'],
    ['the other half', '{"a":"\\uDE00x"}', 'a'],
    ['a key', '{"a":{"\\ud800":1}}', 'a'],
  ])('refuses %s', (_, text, path) => expect(check(text)).toEqual([{ path, problem: 'holds a character that cannot be stored' }]));

  it.each(['{"a":"\\ud83d\\ude00"}', '{"a":"\\\\ud800 \\\\u0000"}', '{"a":"😀"}', '{"a":null}', '7', 'null'])('lets %s pass', (text) => expect(check(text)).toBeUndefined());

  it('refuses nesting that would end in a stack overflow, and names the field', () => {
    const nested = (levels: number) => `{"a":${'['.repeat(levels)}"\\u0041"${']'.repeat(levels)}}`;
    expect(check(nested(99))).toBeUndefined();
    expect(check(nested(100))).toEqual([{ path: 'a.0', problem: 'is nested more than 100 levels deep' }]);
    expect(check(nested(400_000))).toHaveLength(1);
  });
});
