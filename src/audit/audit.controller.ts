import { Controller, Get, type OnModuleInit, Query, type StreamableFile } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  type Columns,
  Db,
  ExportAs,
  type ExportFormat,
  type ExportSource,
  Exports,
  OrgExports,
  OrgId,
  orgUidOf,
  type Principal,
  Returns,
  RootAccess,
  shapeA,
  windowOf,
} from '#platform';
import { AuditList, AuditQuery, type AuditView, InstallationAuditQuery } from './audit.dto.js';
import { AuditRepository } from './audit.repository.js';

const COLUMNS: Columns<AuditView> = {
  auditId: true,
  createdAt: true,
  orgId: true,
  actorType: true,
  actorId: true,
  actorName: true,
  action: true,
  targetType: true,
  targetId: true,
  targetName: true,
  address: true,
  requestId: true,
  result: true,
  details: true,
};

@ApiTags('Audit and events')
@Controller()
export class AuditController implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: AuditRepository,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('audit', 'listAudit', ({ orgUid }) => this.all(orgUid, {}));
  }

  /** Read the audit of an organization, newest first */
  @Get('org/:orgId/audit')
  @Access('listAudit')
  @Returns(AuditList, { message: 'Audit retrieved successfully', exports: true })
  async listAudit(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() filter: AuditQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<AuditList | StreamableFile> {
    return this.answer(orgId, await orgUidOf(this.db.manager, principal, orgId), filter, format);
  }

  /** Read the audit of the installation, newest first: what belongs to no organization, or to one by its identity */
  @Get('audit')
  @RootAccess('listAudit')
  @Returns(AuditList, { message: 'Audit retrieved successfully', exports: true })
  listInstallationAudit(
    @Query() { orgUid, ...filter }: InstallationAuditQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<AuditList | StreamableFile> {
    return this.answer(null, orgUid ?? null, filter, format);
  }

  private async answer(
    orgId: string | null,
    orgUid: string | null,
    filter: AuditQuery,
    format: ExportFormat | undefined,
  ): Promise<AuditList | StreamableFile> {
    const em = this.db.manager;
    if (format) return this.exports.start(orgId, format, this.all(orgUid, filter));
    const window = windowOf(filter, 1000);
    const audit = await this.repository.list(em, orgUid, filter, window);
    return { audit, pagination: shapeA(await this.repository.count(em, orgUid, filter), window) };
  }
  private all(orgUid: string | null, filter: AuditQuery): ExportSource<AuditView, number> {
    return {
      name: 'audit',
      columns: COLUMNS,
      page: (before, limit) => this.repository.before(this.db.manager, orgUid, filter, before, limit),
      keyOf: (row) => row.auditId,
    };
  }
}
