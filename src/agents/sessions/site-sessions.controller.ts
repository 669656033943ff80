import { Controller, Get, type OnModuleInit, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Db, Id, OrgId, Retention, Returns, shapeA, windowOf } from '#platform';
import { SiteSessionList, SiteSessionQuery } from './site-sessions.dto.js';
import { SiteSessionsRepository } from './site-sessions.repository.js';

const PAGE = 100;
const KEPT = `interval '30 days'`;

@ApiTags('Sites')
@Controller()
export class SiteSessionsController implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: SiteSessionsRepository,
    private readonly retention: Retention,
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
  @Returns(SiteSessionList, { message: 'Sessions retrieved successfully' })
  async listSiteSessions(
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Query() q: SiteSessionQuery,
  ): Promise<SiteSessionList> {
    const window = windowOf(q, PAGE);
    const { sessions, total } = await this.repository.page(this.db.manager, orgId, siteId, q, window);
    return { sessions, pagination: shapeA(total, window) };
  }
}
