import { compactDecrypt, exportJWK, generateKeyPair } from 'jose';
import { describe, expect, it } from 'vitest';
import type { BundleKey } from '#contracts';
import { contentKey, seal } from './sealing.js';

const pairOf = async (crv: string) => {
  const pair = await generateKeyPair('ECDH-ES', { crv, extractable: true });
  const { kty, crv: curve, x, y } = await exportJWK(pair.publicKey);
  return { key: { kty, crv: curve, x, ...(y === undefined ? {} : { y }) } as BundleKey, privateKey: pair.privateKey };
};

describe('sealing', () => {
  it('derives the key of RFC 7518 appendix C', () => {
    const agreed = [
      158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128, 106, 72,
      246, 218, 167, 121, 140, 254, 144, 196,
    ];
    const key = contentKey(Buffer.from(agreed), 'A128GCM', 'Alice', 'Bob', 128);
    expect(key.toString('base64url')).toBe('VqqN6vgjbSBcIijNcacQGg');
  });

  it.each(['X25519', 'P-256'])('is opened by a library with the private half of %s alone', async (crv) => {
    const { key, privateKey } = await pairOf(crv);
    const jws = `head.${'payload Ä '.repeat(2_000)}.signature`;
    const sealed = seal(jws, key);
    const opened = await compactDecrypt(sealed, privateKey);
    expect(new TextDecoder().decode(opened.plaintext)).toBe(jws);
    expect(opened.protectedHeader).toEqual({
      alg: 'ECDH-ES',
      enc: 'A256GCM',
      cty: 'JOSE',
      epk: expect.objectContaining({ kty: key.kty, crv }) as unknown,
    });
    await expect(compactDecrypt(sealed, (await pairOf(crv)).privateKey)).rejects.toThrow();
    const [head, none, iv, text, tag] = sealed.split('.') as [string, string, string, string, string];
    await expect(compactDecrypt([head, none, iv, `A${text.slice(1)}B`, tag].join('.'), privateKey)).rejects.toThrow();
  });

  it('uses another ephemeral key and another nonce each time', async () => {
    const { key } = await pairOf('X25519');
    const [first, second] = [seal('the same', key).split('.'), seal('the same', key).split('.')];
    for (const part of [0, 2, 3, 4]) expect(first[part]).not.toBe(second[part]);
  });
});
