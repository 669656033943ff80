import { randomBytes } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { KeyRing, parseConfig } from '#platform';
import { Assertions } from './assertions.js';
import type { Standing } from './standings.js';

const config = parseConfig({ PUBLIC_URL: 'https://gate.example.com' }, '/');
const key = randomBytes(32);
const assertions = new Assertions(new KeyRing(key), config);
const NOW = Date.now();

const standing = (more: Partial<Standing> = {}): Standing => ({
  resourceId: 7,
  orgId: 'acme',
  orgUid: '0b8f5a1e-0000-4000-8000-000000000001',
  method: 'sso',
  secondsLeft: 60,
  userId: 'u1',
  username: 'kim',
  name: 'Kim',
  roles: ['Admin', 'Ops'],
  email: 'kim@example.com',
  endsAt: 0,
  tags: [],
  watches: undefined,
  ...more,
});
const verified = async (text: string, orgUid = standing().orgUid, from = assertions) =>
  (await jwtVerify(text, createLocalJWKSet(from.jwks(orgUid)), { audience: '7', issuer: 'https://gate.example.com' }))
    .payload;

describe('an assertion', () => {
  it('says who it is, for a minute, to one resource, and is checked by the published keys', async () => {
    expect(await verified(assertions.of(standing(), 'r1', 'app.example.com', NOW))).toEqual({
      iss: 'https://gate.example.com',
      aud: '7',
      sub: 'u1',
      email: 'kim@example.com',
      name: 'Kim',
      roles: ['Admin', 'Ops'],
      host: 'app.example.com',
      request_id: 'r1',
      iat: Math.floor(NOW / 1000),
      exp: Math.floor(NOW / 1000) + 60,
    });
    const byCode = standing({ userId: null, username: null, name: null, roles: [], method: 'whitelist' });
    const payload = await verified(assertions.of(byCode, 'r1', 'app.example.com', NOW));
    expect([payload.sub, payload.name]).toEqual(['kim@example.com', undefined]);
  });

  it('is made once in half a minute', () => {
    const of = standing();
    const first = assertions.of(of, 'r1', 'app.example.com', NOW);
    expect(assertions.of(of, 'r2', 'app.example.com', NOW + 29_000)).toBe(first);
    expect(assertions.of(of, 'r3', 'app.example.com', NOW + 30_000)).not.toBe(first);
  });

  it('is signed by a key of its organization, the same in every process', async () => {
    const other = '0b8f5a1e-0000-4000-8000-000000000002';
    const text = assertions.of(standing(), 'r1', 'app.example.com', NOW);
    await expect(verified(text, other)).rejects.toThrow();
    expect(await verified(text, undefined, new Assertions(new KeyRing(key), config))).toMatchObject({ sub: 'u1' });
  });

  it('is still good while the master key is changed', async () => {
    const rotated = new KeyRing(randomBytes(32), key);
    rotated.writeWith(rotated.fingerprints[0]!);
    const then = new Assertions(rotated, config);
    expect(then.jwks(standing().orgUid).keys).toHaveLength(2);
    expect(await verified(assertions.of(standing(), 'r1', 'h', NOW), undefined, then)).toMatchObject({ sub: 'u1' });
    expect(await verified(then.of(standing(), 'r1', 'h', NOW), undefined, then)).toMatchObject({ sub: 'u1' });
  });
});
