import { Injectable } from '@nestjs/common';
import { AppError, KeyRing, type SiteBundleKey } from '#platform';
import type { Renewing } from '../../access/index.js';
import { seal } from '../bundles/sealing.js';

const LIFETIME_SECONDS = 300;
const TOKEN = /^([0-9a-z]{1,10})\.([\w-]{43})$/;

/**
 * Whether who renews has the private half of the site's bundle key (docs/credentials.md §2): they open what is sealed for it. Nothing is stored; a token
 * is bound to site, credential and key, so that it is worth nothing for another one, nor after the key was replaced.
 */
@Injectable()
export class Challenges {
  constructor(private readonly keys: KeyRing) {}

  /** @returns what to throw: `challenge_required` with a challenge */
  demand(renewing: Renewing, key: SiteBundleKey, now = Date.now()): AppError {
    const expires = Math.floor(now / 1000) + LIFETIME_SECONDS;
    const mac = this.keys.mac('renewal-challenge', about(renewing, key, expires));
    const token = `${expires.toString(36)}.${mac.toString('base64url')}`;
    return new AppError('challenge_required', 'Open the challenge with the bundle key, and send what is in it', {
      data: { challenge: seal(token, key.key, 'text/plain') },
    });
  }

  /** Whether a token answers a challenge for this key of the last five minutes. */
  isAnswered(token: string, renewing: Renewing, key: SiteBundleKey, now = Date.now()): boolean {
    const [, stamp, mac] = TOKEN.exec(token) ?? [];
    if (stamp === undefined) return false;
    const expires = Number.parseInt(stamp, 36);
    return (
      expires * 1000 > now &&
      this.keys.isMac('renewal-challenge', about(renewing, key, expires), Buffer.from(mac!, 'base64url'))
    );
  }
}

const about = ({ siteId, credentialId }: Renewing, { jkt }: SiteBundleKey, expires: number): string =>
  `${siteId} ${credentialId} ${expires} ${jkt}`;
