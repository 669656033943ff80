import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CREDENTIAL_LIMITS, type CredentialKind } from '#contracts';
import { KeyRing, randomLower, sha256 } from '#platform';
import type { NewSiteCredential } from '../../access/index.js';
import { CertificateAuthority } from '../authority/certificate-authority.js';
import type { ParsedCsr } from '../authority/csr.js';
import type { CredentialSecret, IssuedCredential } from './claim.js';

/** A fresh credential: what the device gets, and what is stored of it. */
export interface FreshCredential {
  issued: IssuedCredential;
  stored: Omit<NewSiteCredential, 'siteId' | 'orgId'>;
}

/** What a template says of the credentials of its sites; `ttlSeconds` null: nothing. */
export interface CredentialPolicy {
  ttlSeconds: number | null;
  graceSeconds: number;
}

/** Makes credentials of every kind; always before the transaction that stores them (docs/adr/0002). */
@Injectable()
export class CredentialIssuer {
  constructor(
    private readonly keys: KeyRing,
    private readonly authority: CertificateAuthority,
  ) {}

  /**
   * `csr` must be there for the kind `certificate`. When it ends is said by the clock of this server (docs/credentials.md §2); whether it has ended is
   * judged by the database's.
   */
  async make(
    kind: CredentialKind,
    orgUid: string,
    deviceId: string,
    csr: ParsedCsr | null,
    policy: CredentialPolicy,
  ): Promise<FreshCredential> {
    const ends = endsOf(kind, policy);
    const { issued, stored } = await this.fresh(kind, orgUid, deviceId, csr, ends.expiresAt);
    return { issued: { ...issued, expiresAt: ends.expiresAt }, stored: { ...stored, ...ends } };
  }

  private async fresh(
    kind: CredentialKind,
    orgUid: string,
    deviceId: string,
    csr: ParsedCsr | null,
    expiresAt: Date | null,
  ): Promise<{ issued: CredentialSecret; stored: FreshCredential['stored'] }> {
    switch (kind) {
      case 'api_key': {
        const apiKey = `sk_live_${randomBytes(32).toString('base64url')}`;
        return { issued: { kind, apiKey }, stored: { kind, secretHash: sha256(apiKey) } };
      }
      case 'newt': {
        const newtId = randomLower(15);
        const secret = randomLower(48);
        return { issued: { kind, newtId, secret }, stored: { kind, newtId, secretHash: sha256(secret) } };
      }
      case 'psk': {
        // The identity is the credential's public id; it is what the ciphertext is bound to.
        const identity = `${deviceId}.${randomLower(8)}`;
        const psk = randomBytes(32);
        const stored = { kind, pskIdentity: identity, pskEncrypted: this.keys.encrypt(psk, `psk:${identity}`) };
        return { issued: { kind, identity, psk: psk.toString('base64url') }, stored };
      }
      case 'certificate': {
        const { certificate, chain, ...facts } = await this.authority.issue(orgUid, deviceId, csr!, expiresAt!);
        return { issued: { kind, certificate, chain }, stored: { kind, certificate, ...facts } };
      }
    }
  }
}

/** In whole seconds, as certificates have them. */
function endsOf(
  kind: CredentialKind,
  { ttlSeconds, graceSeconds }: CredentialPolicy,
): { expiresAt: Date | null; renewUntil: Date | null } {
  const seconds = ttlSeconds ?? (kind === 'certificate' ? CREDENTIAL_LIMITS.certificateTtlSeconds : null);
  if (seconds === null) return { expiresAt: null, renewUntil: null };
  const expires = Math.floor(Date.now() / 1000) + seconds;
  return { expiresAt: new Date(expires * 1000), renewUntil: new Date((expires + graceSeconds) * 1000) };
}
