import { Injectable } from '@nestjs/common';
import { AppError, type ProvenCredential, RefusalLimiter, SiteTrust, sha256 } from '#platform';
import { ClosedOrgs } from '../closed-orgs.js';
import type { Authenticated, SiteIdentity } from './credential-standing.js';
import { CredentialUses } from './credential-uses.service.js';

/** What proves a newt: its id and the hash of its secret, which may be another newt's as well where people chose it. */
export const newtProof = (newtId: string, secret: string): Buffer =>
  sha256(Buffer.concat([Buffer.from(newtId), sha256(secret)]));

/** What proves a PSK: its identity, which is what a handshake names. */
export const pskProof = (identity: string): Buffer => sha256(`psk:${identity}`);

/** The one 401 for every site credential that cannot be used (docs/agent-protocol.md rule 3). */
export const unusable = (): AppError => new AppError('credential_unusable', 'The credential cannot be used');

/** Who presents a site credential, and how. */
export interface Presenter {
  address: string | null;
  proven: ProvenCredential;
  /** The public id that was presented. */
  name?: string | undefined;
  /** On the one route that takes credentials which have expired. */
  renewing?: boolean;
}

/** Lets sites in, or refuses them. */
@Injectable()
export class SiteAdmission {
  constructor(
    private readonly limiter: RefusalLimiter,
    private readonly trust: SiteTrust,
    private readonly uses: CredentialUses,
    private readonly closed: ClosedOrgs,
  ) {}

  /**
   * Everybody is looked up alike. Who proves a credential whose site is over is told so with a statement to believe (docs/instances.md §3), who proves
   * one that has expired that it may be renewed, and they have guessed nothing: that is no failure to count. A superseded one is told nothing, and of.
   * @throws AppError `credential_unusable`; `rate_limited` instead (docs/claims.md rule 10); `out_of_service` while the organization is closed
   */
  async admit(found: Authenticated, { address, proven, name, renewing = false }: Presenter): Promise<SiteIdentity> {
    if (found === null) throw await this.refusal(address, proven, name);
    await this.closed.requireOpenToSites('unusable' in found ? found.site.orgId : found.orgId);
    if (!('unusable' in found)) {
      this.uses.note(found, address);
      return found;
    }
    if (found.unusable === 'expired') {
      if (renewing) return found.site;
      throw new AppError('credential_unusable', 'The credential has expired; it can only be renewed', {
        data: { renewable: true },
      });
    }
    await this.uses.superseded(found.site, address);
    throw unusable();
  }

  /** What to throw at who cannot have guessed, such as by a token that was given before: with the statement, where the site is over. */
  async refusalOf(proven: ProvenCredential): Promise<AppError> {
    const data = await this.trust.noticeFor(proven);
    return data ? new AppError('credential_unusable', 'The credential cannot be used', { data }) : unusable();
  }

  private async refusal(address: string | null, proven: ProvenCredential, name?: string): Promise<AppError> {
    const refusal = await this.refusalOf(proven);
    if (refusal.details.data === undefined) this.limiter.refused(address ?? '', name);
    return refusal;
  }
}
