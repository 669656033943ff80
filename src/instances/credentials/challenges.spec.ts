import { compactDecrypt, exportJWK, generateKeyPair } from 'jose';
import { describe, expect, it } from 'vitest';
import type { BundleKey } from '#contracts';
import { KeyRing, siteBundleKey } from '#platform';
import { Challenges } from './challenges.js';

const challenges = new Challenges(new KeyRing(Buffer.alloc(32, 1)));
const renewing = { siteId: 7, orgId: 'acme', credentialId: 9 };
const NOW = 1_800_000_000_000;

async function makeKey() {
  const { privateKey, publicKey } = await generateKeyPair('ECDH-ES', { crv: 'X25519', extractable: true });
  return { privateKey, key: siteBundleKey((await exportJWK(publicKey)) as BundleKey) };
}

async function tokenFor({ privateKey, key }: Awaited<ReturnType<typeof makeKey>>): Promise<string> {
  const { code, details } = challenges.demand(renewing, key, NOW);
  expect(code).toBe('challenge_required');
  const { plaintext } = await compactDecrypt((details.data as { challenge: string }).challenge, privateKey);
  return new TextDecoder().decode(plaintext);
}

describe('a challenge', () => {
  it('is answered by who has the private key, for five minutes', async () => {
    const own = await makeKey();
    const token = await tokenFor(own);
    expect(challenges.isAnswered(token, renewing, own.key, NOW + 299_000)).toBe(true);
    expect(challenges.isAnswered(token, renewing, own.key, NOW + 300_000)).toBe(false);
  });

  it('is for one site, one credential and one key', async () => {
    const own = await makeKey();
    const token = await tokenFor(own);
    expect(challenges.isAnswered(token, { ...renewing, siteId: 8 }, own.key, NOW)).toBe(false);
    expect(challenges.isAnswered(token, { ...renewing, credentialId: 8 }, own.key, NOW)).toBe(false);
    expect(challenges.isAnswered(token, renewing, (await makeKey()).key, NOW)).toBe(false);
  });

  it('cannot be made up', async () => {
    const own = await makeKey();
    const [stamp, mac] = (await tokenFor(own)).split('.') as [string, string];
    const later = (Number.parseInt(stamp, 36) + 1).toString(36);
    for (const forged of ['', '.', stamp, `${later}.${mac}`, `${stamp}.${'A'.repeat(43)}`, `${stamp}.${mac}x`])
      expect(challenges.isAnswered(forged, renewing, own.key, NOW)).toBe(false);
    const other = new Challenges(new KeyRing(Buffer.alloc(32, 2)));
    expect(other.isAnswered(`${stamp}.${mac}`, renewing, own.key, NOW)).toBe(false);
  });
});
