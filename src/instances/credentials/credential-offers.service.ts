import { Injectable } from '@nestjs/common';
import type { AgentCredential } from '#contracts';
import { Db } from '#platform';
import { CredentialSuccession, type Renewing } from '../../access/index.js';
import { AuditService } from '../../audit/index.js';
import { BundleKeys, siteItself } from '../bundle-keys/bundle-keys.service.js';
import { seal } from '../bundles/sealing.js';
import { CredentialMaker } from './credential-maker.js';

/** A site by its session. */
interface SessionOfSite extends Renewing {
  niceId: string;
  address: string | null;
}

/** The next credential, for the open session of a site that is to take one (docs/credentials.md §3). */
@Injectable()
export class CredentialOffers {
  constructor(
    private readonly db: Db,
    private readonly succession: CredentialSuccession,
    private readonly maker: CredentialMaker,
    private readonly bundleKeys: BundleKeys,
    private readonly audit: AuditService,
  ) {}

  /**
   * @param session the site, by the credential of its session
   * @returns what to send; null when no rotation is asked for any more
   * @throws rate_limited when twenty credentials wait to be used, credential_unusable when the site or its credential ended
   */
  async make(session: SessionOfSite): Promise<AgentCredential | null> {
    const { siteId, orgId, niceId, address } = session;
    // A certificate takes a CSR: the agent asks for it.
    const next = await this.maker.make(session, null);
    const offered = await this.db.tx(async (tx) => {
      const made = await this.succession.offer(tx, session, next?.stored ?? null);
      if (!made || !next) return made && { key: null };
      await this.audit.record(tx, siteItself(orgId, siteId, niceId, address), {
        orgId,
        action: 'site.renew_credential',
        target: { type: 'site', id: siteId },
        details: {
          kind: next.answer.credential_type,
          credentialId: made.credentialId,
          expiresAt: next.answer.expires_at,
          delivery: 'session',
        },
      });
      // Read when the site is locked: a key that came a moment ago counts.
      return { key: await this.bundleKeys.of(tx, siteId) };
    });
    if (!offered) return null;
    if (!next) return {};
    const { key } = offered;
    return key ? { sealed: seal(JSON.stringify(next.answer), key.key, 'json') } : { credential: next.answer };
  }
}
