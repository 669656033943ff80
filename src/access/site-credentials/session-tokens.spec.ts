import { describe, expect, it } from 'vitest';
import { KeyRing } from '#platform';
import { SessionTokens } from './session-tokens.js';

const tokens = new SessionTokens(new KeyRing(Buffer.alloc(32, 1)));

describe('session tokens', () => {
  it('carry the bearer for five minutes', () => {
    const now = 1_800_000_000_000;
    const token = tokens.issue({ siteId: 12_345, credentialId: 67 }, now);
    expect(tokens.verify(token, now + 299_000)).toEqual({ siteId: 12_345, credentialId: 67 });
    expect(tokens.verify(token, now + 301_000)).toBeNull();
  });

  it('are refused when any part was changed', () => {
    const token = tokens.issue({ siteId: 1, credentialId: 2 });
    const [payload, mac] = token.split('.') as [string, string];
    for (const forged of [
      `2${payload.slice(1)}.${mac}`,
      `${payload}.${mac.slice(0, -1)}`,
      `${payload}.`,
      payload,
      '',
      '.',
      `${token}x`,
      'x'.repeat(10_000),
    ]) {
      expect(tokens.verify(forged)).toBeNull();
    }
  });

  it('are refused under another master key', () => {
    const other = new SessionTokens(new KeyRing(Buffer.alloc(32, 2)));
    expect(tokens.verify(other.issue({ siteId: 1, credentialId: 2 }))).toBeNull();
  });
});
