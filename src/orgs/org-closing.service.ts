import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Db, notFound, notify, type Principal, query } from '#platform';
import { AuditService } from '../audit/index.js';
import { OrgOverview } from './org-overview.js';
import type { OrgClosing } from './orgs.dto.js';
import { OrgsRepository } from './orgs.repository.js';

/**
 * Closing an organization, and reopening it (docs/adr/0077). Both are one row: whoever serves the organization asks whether it is closed, so
 * that nothing is half closed, however many sites there are and whatever stops in between.
 */
@Injectable()
export class OrgClosingService {
  constructor(
    private readonly db: Db,
    private readonly repository: OrgsRepository,
    private readonly overview: OrgOverview,
    private readonly audit: AuditService,
  ) {}

  /** POST /org/{orgId}/close. Repeating it changes nothing. @throws not_found */
  async close(principal: Principal, orgId: string, dryRun: boolean): Promise<OrgClosing> {
    if (!dryRun) await this.set(principal, orgId, true);
    return this.read(principal, orgId);
  }

  /** POST /org/{orgId}/reopen. @throws not_found */
  async reopen(principal: Principal, orgId: string): Promise<OrgClosing> {
    await this.set(principal, orgId, false);
    return this.read(principal, orgId);
  }

  private async set(principal: Principal, orgId: string, closed: boolean): Promise<void> {
    await this.db.tx(async (tx) => {
      if ((await this.repository.lockForUpdate(tx, orgId)) === null) throw notFound('Organization');
      const changed = await this.repository.setClosed(tx, orgId, closed ? principal.name : null);
      await notify(tx, 'access_changed', `org:${orgId}`);
      // Its jobs wait while it is closed.
      if (!closed) await notify(tx, 'job_due', '');
      await this.audit.record(tx, principal, {
        orgId,
        action: closed ? 'org.close' : 'org.reopen',
        target: { type: 'org', id: orgId },
        details: { changed },
      });
    });
  }

  private async read(principal: Principal, orgId: string): Promise<OrgClosing> {
    const em = this.db.manager;
    const org = await this.repository.find(em, orgId);
    if (!org) throw notFound('Organization');
    const counts = await this.overview.counts(principal, [orgId]);
    return {
      orgId,
      closedAt: org.closedAt,
      closedBy: org.closedBy,
      sites: counts.get(orgId)!.sites!,
      ...(await contents(em, orgId)),
    };
  }
}

type Contents = Omit<OrgClosing, 'orgId' | 'closedAt' | 'closedBy' | 'sites'>;

async function contents(em: EntityManager, orgId: string): Promise<Contents> {
  const [row] = await query<Contents>(
    em,
    `SELECT public_resources AS "publicResources", private_resources AS "privateResources", members, api_keys AS "apiKeys", provisioning_keys AS "provisioningKeys"
     FROM org_content WHERE org_id = $1`,
    [orgId],
  );
  return row!;
}
