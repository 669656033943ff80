import { describe, expect, it } from 'vitest';
import { formatKey, newKeyId, newKeySecret, parseKey } from './key-token.js';

describe('provisioning key token', () => {
  const keyId = newKeyId();
  const secret = newKeySecret(keyId);
  const key = formatKey({ keyId, secret });

  it('has the form spk_<public id>.<256 random bits and a checksum>', () => {
    expect(key).toMatch(/^spk_[a-z0-9]{15}\.[a-z2-7]{58}$/);
    expect(parseKey(key)).toEqual({ keyId, secret });
  });

  it('is accepted with spk- too', () => {
    expect(parseKey(key.replace('spk_', 'spk-'))).toEqual({ keyId, secret });
  });

  it('catches a typo anywhere by its checksum', () => {
    for (let i = 4; i < key.length; i++) {
      if (key[i] === '.') continue;
      const typo = key.slice(0, i) + (key[i] === 'a' ? 'b' : 'a') + key.slice(i + 1);
      expect(parseKey(typo), typo).toBeNull();
    }
  });

  it.each([
    '',
    'spk_',
    'spk_abc',
    'sk_live_abc',
    key.toUpperCase(),
    `${key} `,
    ` ${key}`,
    key.slice(0, -1),
    `${key}a`,
    'x'.repeat(512),
  ])('refuses %j', (text) => {
    expect(parseKey(text)).toBeNull();
  });

  it('never repeats', () => {
    expect(new Set(Array.from({ length: 1000 }, newKeyId)).size).toBe(1000);
  });
});
