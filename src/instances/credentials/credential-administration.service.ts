import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { CREDENTIAL_LIMITS } from '#contracts';
import { conflict, Db, type Principal } from '#platform';
import { CredentialSuccession } from '../../access/index.js';
import { AuditService } from '../../audit/index.js';
import { partOf } from '../../jobs/index.js';
import { SiteLifecycleService } from '../../sites/index.js';
import type { CredentialList, RotateCredentialBody, RotationView } from './credentials.dto.js';
import { CredentialsRepository } from './credentials.repository.js';

/** Credentials of sites, for operators (docs/credentials.md §3). */
@Injectable()
export class CredentialAdministration {
  constructor(
    private readonly db: Db,
    private readonly repository: CredentialsRepository,
    private readonly succession: CredentialSuccession,
    private readonly sites: SiteLifecycleService,
    private readonly audit: AuditService,
  ) {}

  /** @throws not_found */
  async list(_principal: Principal, orgId: string, siteId: number): Promise<CredentialList> {
    const em = this.db.manager;
    await this.sites.require(em, orgId, siteId);
    return {
      credentials: await this.succession.list(em, orgId, siteId),
      rotation: await this.rotation(em, orgId, siteId),
    };
  }

  /** Asked anew it begins anew: what was handed out before and is not in use yet does not count. @throws not_found, conflict for a revoked site */
  async rotate(principal: Principal, orgId: string, siteId: number, body: RotateCredentialBody): Promise<RotationView> {
    return this.db.tx(async (tx) => {
      await this.rotateIn(tx, principal, orgId, siteId, body);
      return (await this.rotation(tx, orgId, siteId))!;
    });
  }

  /** The same in the caller's transaction, as part of a job if one is named. */
  async rotateIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    { overlapSeconds = CREDENTIAL_LIMITS.overlapSeconds }: RotateCredentialBody,
    jobId?: number,
  ): Promise<void> {
    await this.sites.require(tx, orgId, siteId);
    const asked = await this.succession.requestRotations(tx, orgId, [siteId], overlapSeconds, null);
    if (asked.length === 0) throw conflict('The site is revoked');
    await this.audit.record(tx, principal, {
      orgId,
      action: 'site.rotate_credential',
      target: { type: 'site', id: siteId },
      details: { ...partOf(jobId), overlapSeconds },
    });
  }

  private async rotation(em: EntityManager, orgId: string, siteId: number): Promise<RotationView | null> {
    const row = await this.succession.rotationOf(em, orgId, siteId);
    return row && { ...row, delivery: await this.repository.delivery(em, orgId, siteId) };
  }
}
