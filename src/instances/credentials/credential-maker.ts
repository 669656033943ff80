import { Injectable } from '@nestjs/common';
import type { RenewedCredential } from '#contracts';
import { Db, invalid } from '#platform';
import { CredentialSuccession, type NewSiteCredential, type Renewing, unusable } from '../../access/index.js';
import { CredentialIssuer, type IssuedCredential, parseCsr } from '../../provisioning/index.js';

/** A next credential: what the site gets, and what is stored of it. */
export interface NextCredential {
  answer: RenewedCredential;
  stored: Omit<NewSiteCredential, 'siteId' | 'orgId'>;
}

/** Makes the credential that is to follow one of a site: of the same kind, under what its template says now. Before the transaction that stores it (docs/adr/0002). */
@Injectable()
export class CredentialMaker {
  constructor(
    private readonly db: Db,
    private readonly succession: CredentialSuccession,
    private readonly issuer: CredentialIssuer,
  ) {}

  /**
   * @param csr PEM, for certificates. @returns null for a certificate where no CSR can be asked for (`csr` null)
   * @throws credential_unusable when the site is gone; validation for a CSR that is missing, wrong, or for another kind
   */
  async make(renewing: Renewing, csr: string | undefined | null): Promise<NextCredential | null> {
    const subject = await this.succession.subjectOf(this.db.manager, renewing);
    if (!subject) throw unusable();
    const { kind, orgUid, deviceId } = subject;
    if (kind !== 'certificate' && csr)
      throw invalid('csr', `is for certificates, and this credential is of the kind ${kind}`);
    if (kind === 'certificate' && csr === null) return null;
    if (kind === 'certificate' && !csr) throw invalid('csr', 'is needed to renew a certificate');
    const { issued, stored } = await this.issuer.make(
      kind,
      orgUid,
      deviceId,
      csr ? await parseCsr(csr) : null,
      subject,
    );
    return { answer: answerOf(issued), stored };
  }
}

function answerOf(issued: IssuedCredential): RenewedCredential {
  const common = { credential_type: issued.kind, expires_at: issued.expiresAt?.toISOString() ?? null };
  switch (issued.kind) {
    case 'api_key':
      return { ...common, api_key: issued.apiKey };
    case 'psk':
      return { ...common, psk_identity: issued.identity, psk: issued.psk };
    case 'certificate':
      return { ...common, certificate: issued.certificate, certificate_chain: issued.chain };
    case 'newt':
      return { ...common, newt_id: issued.newtId, secret: issued.secret };
  }
}
