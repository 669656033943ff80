import { describe, expect, it } from 'vitest';
import { ANOTHER_MASTER_KEY, type KnownMasterKey, refusalOf } from './known-master-keys.js';

const known = (text: string): KnownMasterKey[] =>
  text === ''
    ? []
    : text.split(' ').map((one) => {
        const [fingerprint, state] = one.split(':');
        return { fingerprint, state } as KnownMasterKey;
      });

describe('the master keys of a server', () => {
  it.each([
    ['', 'new'],
    ['old:writing', 'old'],
    ['old:writing', 'new old'],
    ['old:writing', 'old new'],
    ['old:writing new:accepted', 'old'],
    ['old:writing new:accepted', 'new old'],
    ['old:writing new:accepted', 'third old'],
    ['old:previous new:writing', 'new old'],
    ['new:writing', 'new'],
    ['new:writing', 'new old'],
  ])('where the database knows "%s" may be "%s"', (there, held) => {
    expect(refusalOf(known(there), held.split(' '))).toBeNull();
  });

  it.each([
    ['old:writing', 'new', ANOTHER_MASTER_KEY],
    ['new:writing', 'old', ANOTHER_MASTER_KEY],
    ['old:writing new:accepted', 'new', ANOTHER_MASTER_KEY],
    ['old:previous new:writing', 'new', /MASTER_KEY_PREVIOUS.*until/],
    ['old:previous new:writing', 'old', /has been changed/],
    ['old:previous new:writing', 'third new', /MASTER_KEY_PREVIOUS.*until/],
  ])('where the database knows "%s" may not be "%s"', (there, held, sentence) => {
    expect(refusalOf(known(there), held.split(' '))).toMatch(sentence);
  });
});
