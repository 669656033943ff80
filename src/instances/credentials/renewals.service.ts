import { Injectable } from '@nestjs/common';
import type { RenewedCredential } from '#contracts';
import { ApiResult, Db, type Principal, siteBundleKey } from '#platform';
import { CredentialSuccession } from '../../access/index.js';
import { AuditService } from '../../audit/index.js';
import { BundleKeys } from '../bundle-keys/bundle-keys.service.js';
import { Challenges } from './challenges.js';
import { CredentialMaker } from './credential-maker.js';
import type { RenewBody } from './credentials.dto.js';

/** The next credential of a site, asked for by the site (docs/credentials.md §2). */
@Injectable()
export class RenewalsService {
  constructor(
    private readonly db: Db,
    private readonly succession: CredentialSuccession,
    private readonly maker: CredentialMaker,
    private readonly bundleKeys: BundleKeys,
    private readonly challenges: Challenges,
    private readonly audit: AuditService,
  ) {}

  /**
   * Asked again when an answer was lost: each answer is another credential, and the first one that is used ends the others.
   * @throws challenge_required for a site with a bundle key; validation for a CSR; rate_limited when twenty wait to be used; credential_unusable when
   * the site or its credential ended meanwhile
   */
  async renew(principal: Principal, { csr, challenge, bundle_key }: RenewBody): Promise<ApiResult<RenewedCredential>> {
    const renewing = principal.site!;
    const { siteId, orgId } = renewing;
    const key = await this.bundleKeys.of(this.db.manager, siteId);
    if (key && !(challenge && this.challenges.isAnswered(challenge, renewing, key)))
      throw this.challenges.demand(renewing, key);
    const { answer, stored } = (await this.maker.make(renewing, csr))!;
    // The whole answer out of the transaction, which stores it for an Idempotency-Key.
    return this.db.tx(async (tx) => {
      const credentialId = await this.succession.addNext(tx, renewing, stored);
      // The site is locked now: a key that came or went since the challenge asks for another one.
      const present = await this.bundleKeys.of(tx, siteId);
      if (present && present.jkt !== key?.jkt) throw this.challenges.demand(renewing, present);
      if (bundle_key) await this.bundleKeys.replace(tx, principal, orgId, siteId, siteBundleKey(bundle_key));
      await this.audit.record(tx, principal, {
        orgId,
        action: 'site.renew_credential',
        target: { type: 'site', id: siteId },
        details: { kind: answer.credential_type, credentialId, expiresAt: answer.expires_at },
      });
      return new ApiResult(answer);
    });
  }
}
