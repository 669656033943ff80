import { Injectable } from '@nestjs/common';
import { AppError, type ProvenCredential, RefusalLimiter, SiteTrust, sha256 } from '#platform';

/** What proves a newt: its id and the hash of its secret, which may be another newt's as well where people chose it. */
export const newtProof = (newtId: string, secret: string): Buffer =>
  sha256(Buffer.concat([Buffer.from(newtId), sha256(secret)]));

/** The one 401 for every site credential that cannot be used (docs/agent-protocol.md rule 3). */
export const unusable = (): AppError => new AppError('credential_unusable', 'The credential cannot be used');

/** Refuses site credentials. */
@Injectable()
export class SiteRefusals {
  constructor(
    private readonly limiter: RefusalLimiter,
    private readonly trust: SiteTrust,
  ) {}

  /**
   * Everybody is looked up alike. Who proves a credential whose site is over is told so with a statement to believe (docs/instances.md §3), and has
   * guessed nothing: that is no failure to count.
   * @param name the public id that was presented
   * @returns what to throw. @throws `rate_limited` instead (docs/claims.md rule 10)
   */
  async refusal(address: string | null, proven: ProvenCredential, name?: string): Promise<AppError> {
    const data = await this.trust.noticeFor(proven);
    if (data) return new AppError('credential_unusable', 'The credential cannot be used', { data });
    this.limiter.refused(address ?? '', name);
    return unusable();
  }
}
