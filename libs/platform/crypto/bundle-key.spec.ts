import { createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { describe, expect, it } from 'vitest';
import type { BundleKey } from '#contracts';
import { bundleKeyProblem, siteBundleKey } from './bundle-key.js';

const okp = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }) as BundleKey;
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ec = pair.publicKey.export({ format: 'jwk' }) as BundleKey & { y: string };
const bytes = (...values: number[]) =>
  Buffer.concat([Buffer.from(values), Buffer.alloc(32)])
    .subarray(0, 32)
    .toString('base64url');

describe('the bundle key of a site', () => {
  it.each([
    ['OKP X25519', okp],
    ['EC P-256', ec],
  ])('is a public key of %s, by its RFC 7638 thumbprint', async (_, key) => {
    expect(bundleKeyProblem(key)).toBeUndefined();
    const { key: kept, jkt } = siteBundleKey(Object.assign({}, key, { kid: 'mine', use: 'enc' }));
    expect(kept).toEqual(key);
    expect(jkt).toBe(await calculateJwkThumbprint(key));
  });

  it.each<[string, unknown, RegExp]>([
    ['text', 'key', /public JWK/],
    ['null', null, /public JWK/],
    ['a list', [okp], /public JWK/],
    ['a private key', pair.privateKey.export({ format: 'jwk' }), /private member d/],
    ['a symmetric one', { kty: 'oct', k: 'AAAA' }, /private member k/],
    ['one that signs', { ...okp, crv: 'Ed25519' }, /X25519 or EC P-256/],
    ['another curve', { ...ec, crv: 'P-384' }, /X25519 or EC P-256/],
    ['a type of the other', { ...okp, kty: 'EC' }, /X25519 or EC P-256/],
    ['half a point', { kty: 'EC', crv: 'P-256', x: ec.x }, /x and y/],
    ['a short coordinate', { ...okp, x: 'AAAA' }, /x as 32 bytes/],
    ['padding', { ...okp, x: `${okp.x}=` }, /x as 32 bytes/],
    ['a second spelling', { ...okp, x: `${okp.x.slice(0, -1)}${okp.x.endsWith('B') ? 'C' : 'B'}` }, /x as 32 bytes/],
    ['a number', { ...okp, x: 5 }, /x as 32 bytes/],
    ['a point off the curve', { ...ec, y: ec.x }, /point of the curve/],
    ['the point 0', { ...okp, x: bytes(0) }, /point of the curve/],
    ['the point 1', { ...okp, x: bytes(1) }, /point of the curve/],
    [
      'a point of order 8',
      {
        ...okp,
        x: Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex').toString('base64url'),
      },
      /point of the curve/,
    ],
  ])('is not %s', (_, value, problem) => {
    expect(bundleKeyProblem(value)).toMatch(problem);
  });

  it('is a point of X25519 that OpenSSL agrees with', () => {
    const { privateKey } = generateKeyPairSync('x25519');
    const agrees = (key: BundleKey) => {
      try {
        return diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'jwk' }) }).length > 0;
      } catch {
        return false;
      }
    };
    const p = 2n ** 255n - 19n;
    const ofOrder8 = [
      325606250916557431795983626356110631294008115727848805560023387167927233504n,
      39382357235489614581723060781553021112529911719440698176882885853963445705823n,
    ];
    // Each with its neighbours, each with and without the top bit; around p are all second spellings.
    const numbers = [0n, p, ...ofOrder8, ...ofOrder8.map((u) => p - u)].flatMap((u) =>
      Array.from({ length: 40 }, (_, i) => u + BigInt(i - 20)).filter((v) => v >= 0n && v < 2n ** 255n),
    );
    const keys = numbers.flatMap((u) =>
      [u, u + 2n ** 255n].map((v) => {
        const bigEndian = Buffer.from(v.toString(16).padStart(64, '0'), 'hex');
        return { kty: 'OKP', crv: 'X25519', x: bigEndian.reverse().toString('base64url') } satisfies BundleKey;
      }),
    );
    const refused = keys.filter((key) => bundleKeyProblem(key) !== undefined);
    expect(refused).toEqual(keys.filter((key) => !agrees(key)));
    expect(refused).toHaveLength(14);
  });
});
