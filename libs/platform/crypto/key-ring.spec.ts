import { describe, expect, it } from 'vitest';
import { KEY_ID_BYTES, KeyRing } from './key-ring.js';

const [old, fresh, other] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte)) as [Buffer, Buffer, Buffer];
const plain = Buffer.from('a secret');

describe('a key ring', () => {
  it('opens what it sealed, for the same purpose only, and says by which key', () => {
    const ring = new KeyRing(old);
    const sealed = ring.encrypt(plain, 'psk:a');
    expect(ring.decrypt(sealed, 'psk:a')).toEqual(plain);
    expect(() => ring.decrypt(sealed, 'psk:b')).toThrow();
    expect(sealed.subarray(0, KEY_ID_BYTES).toString('hex')).toBe(ring.fingerprints[0]!.slice(0, 2 * KEY_ID_BYTES));
    expect(sealed.includes(plain)).toBe(false);
  });

  it('does not open what is under another master key', () => {
    const sealed = new KeyRing(old).encrypt(plain, 'a');
    expect(() => new KeyRing(other).decrypt(sealed, 'a')).toThrow('not here');
  });

  it('of two keys writes nothing before it was told under which', () => {
    const ring = new KeyRing(fresh, old);
    expect(() => ring.encrypt(plain, 'a')).toThrow('not known yet');
    expect(() => ring.signToken('a')).toThrow('not known yet');
    expect(() => ring.writeWith(new KeyRing(other).fingerprints[0]!)).toThrow('does not hold');
    ring.writeWith(ring.fingerprints[1]!);
    expect(new KeyRing(old).decrypt(ring.encrypt(plain, 'a'), 'a')).toEqual(plain);
    ring.writeWith(ring.fingerprints[0]!);
    expect(new KeyRing(fresh).decrypt(ring.encrypt(plain, 'a'), 'a')).toEqual(plain);
  });

  it('accepts what is under either of two keys', () => {
    const [before, after, both] = [new KeyRing(old), new KeyRing(fresh), new KeyRing(fresh, old)];
    both.writeWith(after.fingerprints[0]!);
    for (const one of [before, after]) {
      expect(both.decrypt(one.encrypt(plain, 'a'), 'a')).toEqual(plain);
      expect(both.decryptApart(one.encryptApart(plain, 'a'), 'a')).toEqual(plain);
      expect(both.isSignature('payload', one.signToken('payload'))).toBe(true);
      expect(both.isMac('shared-secret', 'value', one.mac('shared-secret', 'value'))).toBe(true);
    }
    const stranger = new KeyRing(other);
    expect(both.isSignature('payload', stranger.signToken('payload'))).toBe(false);
    expect(both.isMac('shared-secret', 'value', stranger.mac('shared-secret', 'value'))).toBe(false);
    expect(both.isMac('shared-secret', 'value', before.mac('bundle-random', 'value'))).toBe(false);
  });
});
