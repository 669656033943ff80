import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, AlsoReturns, Caller, ErrorResponses, OrgId, type Principal, Returns } from '#platform';
import { JobView } from '../../jobs/index.js';
import { SiteActionBody, SiteActionPreview } from './site-actions.dto.js';
import { SiteActionsService } from './site-actions.service.js';

/** Acts on many sites (docs/integration-api.md §3.18). */
@ApiTags('Sites')
@Controller('org/:orgId/site-actions')
export class SiteActionsController {
  constructor(private readonly actions: SiteActionsService) {}

  /** Do one act on many sites, as a job; with dryRun only say what it would do; needs the action of the act too */
  @Post()
  @Access('listSites')
  @ErrorResponses(409)
  @HttpCode(202)
  @AlsoReturns(200, SiteActionPreview, 'What it would do, with dryRun')
  @Returns(JobView, {
    status: 202,
    message: 'The sites will be acted on by a job',
    creates: (body) => (body as Partial<SiteActionBody> | null)?.dryRun !== true,
  })
  async actOnSites(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: SiteActionBody) {
    if (body.dryRun) return this.actions.foresee(principal, orgId, body);
    return this.actions.start(principal, orgId, body);
  }
}
