import { Injectable } from '@nestjs/common';
import { CREDENTIAL_LIMITS } from '#contracts';
import { conflict, Db, notify, orgUidOf, type Principal } from '#platform';
import { AuditService } from '../../audit/index.js';
import { AuthoritiesRepository, type ListedAuthority } from './authorities.repository.js';
import { authoritiesOf, CertificateAuthority } from './certificate-authority.js';

/** What is listed of one organization. */
const LISTED = 100;
/** Trusted beside the one that issues: EST clients are told of all of them. */
const FORMER = 10;

/** The authorities of an organization as its operators see and change them (docs/credentials.md §7). */
@Injectable()
export class AuthoritiesService {
  constructor(
    private readonly db: Db,
    private readonly repository: AuthoritiesRepository,
    private readonly authority: CertificateAuthority,
    private readonly audit: AuditService,
  ) {}

  /** GET /org/{orgId}/certificate-authorities. The first look makes the first one. @throws not_found */
  async list(principal: Principal, orgId: string): Promise<ListedAuthority[]> {
    const orgUid = await orgUidOf(this.db.manager, principal, orgId);
    await this.authority.ensured(orgUid);
    return this.repository.list(this.db.manager, orgUid, LISTED);
  }

  /**
   * POST /org/{orgId}/certificate-authority/rotate: another authority issues from now on. Former ones are trusted for the overlap, and none for longer
   * than it was before.
   * @throws conflict when another rotation came first, or too many former ones are trusted
   */
  async rotate(
    principal: Principal,
    orgId: string,
    overlapSeconds: number = CREDENTIAL_LIMITS.certificateTtlSeconds,
  ): Promise<ListedAuthority[]> {
    const orgUid = await orgUidOf(this.db.manager, principal, orgId);
    const [current, next] = [await this.authority.ensured(orgUid), await this.authority.create(orgId)];
    await this.db.tx(async (tx) => {
      await this.repository.supersede(tx, orgUid, overlapSeconds);
      if (!(await this.repository.insert(tx, orgUid, next)))
        throw conflict('The authority was rotated at the same moment');
      if ((await this.repository.countFormer(tx, orgUid)) > FORMER)
        throw conflict(
          `${FORMER} former authorities are trusted: wait for the end of one, or choose a shorter overlap`,
        );
      await this.audit.record(tx, principal, {
        orgId,
        action: 'certificate_authority.rotate',
        target: { type: 'certificate_authority', id: next.caId },
        details: { from: current.caId, overlapSeconds },
      });
      await notify(tx, 'access_changed', authoritiesOf(orgUid));
    });
    return this.repository.list(this.db.manager, orgUid, LISTED);
  }

  /** Up to `limit` sites, after one of them, whose current certificate is of a former authority: who has them renew moves them to the new one. */
  sitesToMove(orgUid: string, after: number, limit: number): Promise<number[]> {
    return this.repository.sitesToMove(this.db.manager, orgUid, after, limit);
  }
}
