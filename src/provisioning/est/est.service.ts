import { Injectable } from '@nestjs/common';
import { AppError, Db, invalid, notFound, type Principal } from '#platform';
import { CredentialSuccession, unusable } from '../../access/index.js';
import { AuditService } from '../../audit/index.js';
import { AuthoritiesRepository } from '../authority/authorities.repository.js';
import { CertificateAuthority } from '../authority/certificate-authority.js';
import type { ParsedCsr } from '../authority/csr.js';
import { CredentialIssuer } from '../claims/credential-issuer.js';
import { EstRepository } from './est.repository.js';

/** What EST asks for that is no claim (RFC 7030; docs/credentials.md §6). */
@Injectable()
export class EstService {
  constructor(
    private readonly db: Db,
    private readonly repository: EstRepository,
    private readonly authorities: AuthoritiesRepository,
    private readonly authority: CertificateAuthority,
    private readonly issuer: CredentialIssuer,
    private readonly succession: CredentialSuccession,
    private readonly audit: AuditService,
  ) {}

  /** The trusted authorities (PEM), newest first, of the organization that one of its authorities names, a former one too. @throws not_found */
  async authoritiesBeside(caId: string): Promise<string[]> {
    const trusted = caId.includes('\0') ? [] : await this.authorities.trustedBeside(this.db.manager, caId);
    if (trusted.length === 0) throw notFound('Certificate authority');
    return trusted.map(({ certificate }) => certificate);
  }

  /** The same of an organization; the first look makes the first one. */
  async authoritiesOf(orgUid: string): Promise<string[]> {
    return this.authoritiesBeside((await this.authority.ensured(orgUid)).caId);
  }

  /** The identity of the organization whose authority that is, or was; null: nobody's. */
  async organizationOf(caId: string): Promise<string | null> {
    return caId.includes('\0') ? null : this.authorities.organizationOf(this.db.manager, caId);
  }

  /**
   * The next certificate of a site, with the same key or a new one; it stands beside the present one until it was used (docs/credentials.md §2).
   * @returns PEM
   * @throws permission_denied unless the site presents a certificate, and for a public key of another site; challenge_required where it has a bundle
   * key; not_found for the authority of another organization; validation for a request with other names; what `addNext` throws
   */
  async reenrol(caller: Principal, caId: string | null, csr: ParsedCsr): Promise<string> {
    const { siteId, orgId, credentialId } = caller.site!;
    const renewing = { siteId, orgId, credentialId };
    const subject = await this.succession.subjectOf(this.db.manager, renewing);
    if (!subject) throw unusable();
    const { kind, orgUid, deviceId } = subject;
    if (kind !== 'certificate')
      throw new AppError('permission_denied', 'A certificate is renewed here, by who presents it');
    if (caId !== null && (await this.organizationOf(caId)) !== orgUid) throw notFound('Certificate authority');
    requireSubject(csr, deviceId);
    if (await this.repository.hasBundleKey(this.db.manager, siteId)) throw challenge();
    const fresh = await this.issuer.make(kind, orgUid, deviceId, csr, subject);
    if (fresh.issued.kind !== 'certificate') throw new Error('a certificate was asked for');
    await this.db.tx(async (tx) => {
      const next = await this.succession.addNext(tx, renewing, fresh.stored).catch(keyTaken);
      // The site is locked: nobody gives it a bundle key now.
      if (await this.repository.hasBundleKey(tx, siteId)) throw challenge();
      await this.audit.record(tx, caller, {
        orgId,
        action: 'site.renew_credential',
        target: { type: 'site', id: siteId },
        details: { kind, credentialId: next, expiresAt: fresh.issued.expiresAt, door: 'est' },
      });
    });
    return fresh.issued.certificate;
  }
}

const challenge = () =>
  new AppError('challenge_required', 'The site has a bundle key: renew by POST /api/v1/device/credential/renew');

/** To whom a key belongs is told nobody, here as at a claim. */
function keyTaken(error: unknown): never {
  throw error instanceof AppError && error.code === 'validation'
    ? new AppError('permission_denied', 'Another site has the public key')
    : error;
}

/** RFC 7030 §4.2.2: subject and other names are those of the certificate; there are no others in ours. */
function requireSubject({ subject, hasOtherNames }: ParsedCsr, deviceId: string): void {
  if (subject !== `CN=${deviceId}`) throw invalid('csr', 'must have the subject of the certificate that it renews');
  if (hasOtherNames) throw invalid('csr', 'must not ask for other names');
}
