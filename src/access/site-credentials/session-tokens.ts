import { Injectable } from '@nestjs/common';
import { KeyRing } from '#platform';

const LIFETIME_SECONDS = 300;

/** What a session token says about its bearer. */
export interface TokenBearer {
  siteId: number;
  credentialId: number;
}

/**
 * Session tokens (docs/agent-protocol.md rule 1): `payload.mac`, signed, good for five minutes, which is time to begin a session.
 * Nothing is stored; whether the credential is still good is asked when the session begins.
 */
@Injectable()
export class SessionTokens {
  constructor(private readonly keys: KeyRing) {}

  /** @returns a token for the bearer; `now` in milliseconds. */
  issue(bearer: TokenBearer, now = Date.now()): string {
    const expires = Math.floor(now / 1000) + LIFETIME_SECONDS;
    const payload = [bearer.siteId, bearer.credentialId, expires].map((n) => n.toString(36)).join('-');
    return `${payload}.${this.keys.signToken(payload)}`;
  }

  /** @returns the bearer, or null for a token that is not ours or has expired. */
  verify(token: string, now = Date.now()): TokenBearer | null {
    if (token.length > 128) return null;
    const dot = token.indexOf('.');
    if (dot < 0) return null;
    const payload = token.slice(0, dot);
    if (!this.keys.isSignature(payload, token.slice(dot + 1))) return null;
    const [siteId, credentialId, expires] = payload.split('-').map((n) => Number.parseInt(n, 36));
    if (!siteId || !credentialId || !expires || expires * 1000 <= now) return null;
    return { siteId, credentialId };
  }
}
