import { describe, expect, it } from 'vitest';
import { nameKey, nameProblem, normalName } from './names.js';

describe('nameProblem', () => {
  it.each(['Press 14', 'Zürich', 'Каса', '東京', 'می‌خواهم', 'क्‍ष', '👩‍💻', '❤️', '👍🏽', 'a—b', "Jean-Luc's", ' edge '])(
    'takes %j',
    (name) => expect(nameProblem(name)).toBeUndefined(),
  );
  it.each<[string, RegExp]>([
    ['', /blank/],
    ['   ', /blank/],
    ['\u00a0\u2003\u3000', /blank/],
    ['\u2800', /blank/],
    ['a\nb', /control/],
    ['a\u2028b', /control/],
    ['a\u0085', /control/],
    ['\u200b', /invisible/],
    ['a\u200bb', /invisible/],
    ['\u202eevil', /direction/],
    ['a\u2066b', /direction/],
    ['\u200fa', /direction/],
    ['\ufeffa', /invisible/],
    ['a\u00adb', /invisible/],
    ['Ad\u200dmin', /invisible/],
    ['Ad\u200cmin', /invisible/],
    ['\u3164', /invisible/],
    ['a\u{e0041}', /invisible/],
    ['a\ufe0f', /invisible/],
    ['\u200d', /invisible/],
    ['\ud800', /invisible/],
    ['a\uffff', /invisible/],
  ])('refuses %j', (name, problem) => expect(nameProblem(name)).toMatch(problem));
});

describe('nameKey', () => {
  it.each([
    ['Admin', 'admin'],
    ['Admin', 'ADMIN'],
    ['Admin', 'Admin '],
    ['Admin', '\uff21dmin'],
    ['Admin', 'Ad\u200dmin'],
    ['Stra\u00dfe', 'STRASSE'],
    ['\ufb01x', 'FIX'],
    ['ΟΔΟΣ', 'οδος'],
    ['e\u0301', '\u00c9'],
    ['Night shift', 'night\u00a0  shift'],
    ['\u212bngström', 'ångström'],
  ])('%j is %j', (one, other) => expect(nameKey(one)).toBe(nameKey(other)));
  it.each([
    ['Admin', 'Admin2'],
    ['a', 'b'],
    ['ab', 'a b'],
    ['é', 'e'],
  ])('%j is not %j', (one, other) => expect(nameKey(one)).not.toBe(nameKey(other)));
  it('stays what it is', () => {
    for (const name of ['Admin', 'Straße', 'İstanbul', 'ΟΔΟΣ', '\uff21', 'ǆ'])
      expect(nameKey(nameKey(name))).toBe(nameKey(name));
  });
});

it('normalName composes', () => expect(normalName('Zu\u0308rich')).toBe('Zürich'));
