import { Controller, Get, type OnModuleInit, Query, type StreamableFile } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  type Columns,
  Db,
  ExportAs,
  type ExportFormat,
  Exports,
  Id,
  OrgId,
  Retention,
  Returns,
  shapeA,
  windowOf,
} from '#platform';
import { type SiteSession, SiteSessionList, SiteSessionQuery } from './site-sessions.dto.js';
import { SiteSessionsRepository } from './site-sessions.repository.js';

const PAGE = 100;
const KEPT = `interval '30 days'`;

const COLUMNS: Columns<SiteSession> = {
  sessionId: true,
  serverId: true,
  address: true,
  clientType: true,
  clientVersion: true,
  connectedAt: true,
  endedAt: true,
  endReason: true,
};

@ApiTags('Sites')
@Controller()
export class SiteSessionsController implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: SiteSessionsRepository,
    private readonly retention: Retention,
    private readonly exports: Exports,
  ) {}

  onModuleInit(): void {
    // The newest of a site stays: why a machine is away must be known after a summer, too. What has no end is one that presence does not know any more.
    this.retention.register({
      table: 'site_session',
      expired: `connected_at < now() - ${KEPT} AND coalesce(ended_at < now() - ${KEPT}, true)
        AND NOT EXISTS (SELECT FROM site_presence p WHERE p.site_id = site_session.site_id AND p.session_id = site_session.session_id)
        AND EXISTS (SELECT FROM site_session n WHERE n.site_id = site_session.site_id AND n.connected_at > site_session.connected_at)`,
    });
  }

  /** List the sessions of a site of the last 30 days, newest first, with how each ended */
  @Get('site/:siteId/sessions')
  @Access('getSite')
  @Returns(SiteSessionList, { message: 'Sessions retrieved successfully', exports: true })
  async listSiteSessions(
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Query() q: SiteSessionQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<SiteSessionList | StreamableFile> {
    if (format)
      return this.exports.start<SiteSession, SiteSession>(orgId, format, {
        name: `sessions-of-${siteId}`,
        columns: COLUMNS,
        page: (before, limit) => this.repository.before(this.db.manager, orgId, siteId, q, before, limit),
        keyOf: (session) => session,
      });
    const window = windowOf(q, PAGE);
    const { sessions, total } = await this.repository.page(this.db.manager, orgId, siteId, q, window);
    return { sessions, pagination: shapeA(total, window) };
  }
}
