import { describe, expect, it } from 'vitest';
import { NICE_ID_RULE, readText } from '#contracts';
import { ADJECTIVES, ANIMALS, makeNiceId } from './nice-id.js';

describe('niceId', () => {
  it('draws from several hundred words of each list, none twice, none hard to type', () => {
    for (const words of [ADJECTIVES, ANIMALS]) {
      expect(words.length).toBeGreaterThan(400);
      expect(new Set(words).size).toBe(words.length);
      for (const word of words) expect(word).toMatch(/^[a-z]{2,12}$/);
    }
  });

  it('is adjective, animal and five random characters, as a caller might also give it', () => {
    const made = Array.from({ length: 2000 }, makeNiceId);
    for (const id of made) {
      expect(id).toMatch(/^[a-z]+-[a-z]+-[a-z0-9]{5}$/);
      expect(readText(id, NICE_ID_RULE)).toEqual({ value: id });
    }
    expect(new Set(made).size).toBe(made.length);
  });

  it('given by a caller is never a number, which would name a siteId, nor what a URL loses', () => {
    for (const id of ['7', '0012', 'a/b', 'a?b', 'a#b', '', '.', '..', '<<', ' a', 'a ', '\u200b', 'a\nb'])
      expect(readText(id, NICE_ID_RULE)).toHaveProperty('problem');
    for (const id of ['7a', 'Front door', 'ünïcode', 'a.b', '...', '.a'])
      expect(readText(id, NICE_ID_RULE)).toEqual({ value: id });
  });
});
