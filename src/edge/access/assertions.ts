import { createECDH, createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { atMost, Config, KeyRing } from '#platform';
import type { Standing } from './standings.js';

const LIFETIME_SECONDS = 60;
/** One is sent along for so long: at the target it is good for half a minute at least. */
const KEPT_SECONDS = 30;

export interface PublicJwk {
  kty: 'EC';
  crv: 'P-256';
  x: string;
  y: string;
  kid: string;
  alg: 'ES256';
  use: 'sig';
}

interface AssertionKey {
  key: KeyObject;
  jwk: PublicJwk;
}

/**
 * Says to targets who is behind a request, signed (RFC 7519, ES256): a target that checks it need not trust a bare field. The key of an organization is
 * derived from the master key, so that every process has it at once; while the master key is changed, both keys are published.
 */
@Injectable()
export class Assertions {
  private readonly keysOf = new LRUCache<string, AssertionKey>(atMost(2_000));

  constructor(
    private readonly keyRing: KeyRing,
    private readonly config: Config,
  ) {}

  /** @returns one that is sent with this request, and with others of the same session that follow within half a minute */
  of(standing: Standing, requestId: string, host: string, now: number = Date.now()): string {
    const { assertion } = standing;
    if (assertion && assertion.until > now) return assertion.text;
    const seconds = Math.floor(now / 1000);
    const claims = {
      iss: this.config.http.publicUrl.origin,
      aud: String(standing.resourceId),
      sub: standing.userId ?? standing.email,
      email: standing.email,
      ...(standing.userId === null ? {} : { name: standing.name ?? standing.username }),
      roles: standing.roles,
      host,
      request_id: requestId,
      iat: seconds,
      exp: seconds + LIFETIME_SECONDS,
    };
    const { key, jwk } = this.keys(standing.orgUid)[0]!;
    const text = `${encoded({ alg: 'ES256', typ: 'JWT', kid: jwk.kid })}.${encoded(claims)}`;
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    standing.assertion = { text: `${text}.${signature.toString('base64url')}`, until: now + KEPT_SECONDS * 1000 };
    return standing.assertion.text;
  }

  /** What targets check them by (RFC 7517). */
  jwks(orgUid: string): { keys: PublicJwk[] } {
    return { keys: this.keys(orgUid).map(({ jwk }) => jwk) };
  }

  /** The one that signs first. */
  private keys(orgUid: string): AssertionKey[] {
    return this.keyRing.macsOf('assertion-key', orgUid).map((seed) => {
      const name = seed.toString('base64');
      const held = this.keysOf.get(name) ?? keyFrom(seed);
      this.keysOf.set(name, held);
      return held;
    });
  }
}

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A key of P-256 from 32 random bytes: of 2^32 one is no such key, and then its hash is tried. */
function keyFrom(seed: Buffer): AssertionKey {
  const curve = createECDH('prime256v1');
  try {
    curve.setPrivateKey(seed);
  } catch {
    return keyFrom(createHash('sha256').update(seed).digest());
  }
  const point = curve.getPublicKey();
  const [x, y] = [point.subarray(1, 33).toString('base64url'), point.subarray(33).toString('base64url')];
  const key = createPrivateKey({
    key: { kty: 'EC', crv: 'P-256', x, y, d: seed.toString('base64url') },
    format: 'jwk',
  });
  // RFC 7638.
  const kid = createHash('sha256').update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`).digest('base64url');
  return { key, jwk: { kty: 'EC', crv: 'P-256', x, y, kid, alg: 'ES256', use: 'sig' } };
}
