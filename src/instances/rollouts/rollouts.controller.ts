import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ExportAs, type ExportFormat, OrgId, PageQuery, type Principal, Returns } from '#platform';
import { RolloutList } from './rollouts.dto.js';
import { RolloutsService } from './rollouts.service.js';

@ApiTags('Instances')
@Controller('org/:orgId/rollouts')
export class RolloutsController {
  constructor(private readonly rollouts: RolloutsService) {}

  /** List rollouts, newest first; each is a job, by which it is paused, resumed and cancelled */
  @Get()
  @Access('listSites')
  @Returns(RolloutList, { message: 'Rollouts retrieved successfully', exports: true })
  listRollouts(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.rollouts.list(principal, orgId, page, format);
  }
}
