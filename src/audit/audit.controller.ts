import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Db, OrgId, Returns, RootAccess, shapeA, windowOf } from '../../libs/platform/index.js';
import { AuditList, AuditQuery } from './audit.dto.js';
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
  listAudit(@OrgId() orgId: string, @Query() filter: AuditQuery): Promise<AuditList> {
    return this.list(orgId, filter);
  }

  /** Read the audit of the installation: what belongs to no organization, newest first */
  @Get('audit')
  @RootAccess('listAudit')
  @Returns(AuditList, { message: 'Audit retrieved successfully' })
  listInstallationAudit(@Query() filter: AuditQuery): Promise<AuditList> {
    return this.list(null, filter);
  }

  private async list(orgId: string | null, filter: AuditQuery): Promise<AuditList> {
    const window = windowOf(filter, 1000);
    const { audit, total } = await this.repository.list(this.db.manager, orgId, filter, window);
    return { audit, pagination: shapeA(total, window) };
  }
}
