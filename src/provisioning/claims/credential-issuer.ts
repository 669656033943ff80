import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { CredentialKind } from '#contracts';
import { KeyRing, randomLower, sha256 } from '#platform';
import type { NewSiteCredential } from '../../access/index.js';
import { CertificateAuthority, type ParsedCsr } from './certificate-authority.js';
import type { IssuedCredential } from './claim.js';

/** A fresh credential: what the device gets, and what is stored of it. */
export interface FreshCredential {
  issued: IssuedCredential;
  stored: Omit<NewSiteCredential, 'siteId' | 'orgId'>;
}

/** Makes credentials of every kind; always before the transaction that stores them (docs/adr/0002). */
@Injectable()
export class CredentialIssuer {
  constructor(
    private readonly keys: KeyRing,
    private readonly authority: CertificateAuthority,
  ) {}

  /** `csr` must be there for the kind `certificate`. */
  async make(kind: CredentialKind, orgUid: string, deviceId: string, csr: ParsedCsr | null): Promise<FreshCredential> {
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
        const { certificate, chain } = await this.authority.issue(orgUid, deviceId, csr!);
        return { issued: { kind, certificate, chain }, stored: { kind, certificate } };
      }
    }
  }
}
