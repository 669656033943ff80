import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, Db, OrgId, orgUidOf, type Principal, Returns, RootAccess, shapeA, windowOf } from '#platform';
import { AuditList, AuditQuery, InstallationAuditQuery } from './audit.dto.js';
import { AuditRepository } from './audit.repository.js';

@ApiTags('Audit and events')
@Controller()
export class AuditController {
  constructor(
    private readonly db: Db,
    private readonly repository: AuditRepository,
  ) {}

  /** Read the audit of an organization, newest first */
  @Get('org/:orgId/audit')
  @Access('listAudit')
  @Returns(AuditList, { message: 'Audit retrieved successfully' })
  async listAudit(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() filter: AuditQuery,
  ): Promise<AuditList> {
    return this.list(await orgUidOf(this.db.manager, principal, orgId), filter);
  }

  /** Read the audit of the installation, newest first: what belongs to no organization, or to one by its identity */
  @Get('audit')
  @RootAccess('listAudit')
  @Returns(AuditList, { message: 'Audit retrieved successfully' })
  listInstallationAudit(@Query() { orgUid, ...filter }: InstallationAuditQuery): Promise<AuditList> {
    return this.list(orgUid ?? null, filter);
  }

  private async list(orgUid: string | null, filter: AuditQuery): Promise<AuditList> {
    const window = windowOf(filter, 1000);
    const { audit, total } = await this.repository.list(this.db.manager, orgUid, filter, window);
    return { audit, pagination: shapeA(total, window) };
  }
}
