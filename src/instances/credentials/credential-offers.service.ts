import { Injectable } from '@nestjs/common';
import type { AgentCredential } from '#contracts';
import { Db } from '#platform';
import { CredentialSuccession, type Renewing } from '../../access/index.js';
import { BundleKeys } from '../bundle-keys/bundle-keys.service.js';
import { seal } from '../bundles/sealing.js';
import { CredentialMaker } from './credential-maker.js';

/** The next credential, for the open session of a site that is to take one (docs/credentials.md §3). */
@Injectable()
export class CredentialOffers {
  constructor(
    private readonly db: Db,
    private readonly succession: CredentialSuccession,
    private readonly maker: CredentialMaker,
    private readonly bundleKeys: BundleKeys,
  ) {}

  /**
   * @param session the site, by the credential of its session
   * @returns what to send; null when no rotation is asked for any more
   * @throws rate_limited when twenty credentials wait to be used, credential_unusable when the site or its credential ended
   */
  async make(session: Renewing): Promise<AgentCredential | null> {
    // A certificate takes a CSR: the agent asks for it.
    const next = await this.maker.make(session, null);
    const key = next && (await this.bundleKeys.of(this.db.manager, session.siteId));
    if (!(await this.db.tx((tx) => this.succession.offer(tx, session, next?.stored ?? null)))) return null;
    if (!next) return {};
    return key ? { sealed: seal(JSON.stringify(next.answer), key.key, 'json') } : { credential: next.answer };
  }
}
