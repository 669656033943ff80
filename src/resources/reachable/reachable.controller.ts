import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, OrgId, PageQuery, type Principal, Returns } from '#platform';
import { ReachableResources } from './reachable.dto.js';
import { ReachableService } from './reachable.service.js';

@ApiTags('Resources')
@Controller()
export class ReachableController {
  constructor(private readonly reachable: ReachableService) {}

  /** List what the caller may open: at most 1,000 of each kind, by name */
  @Get('org/:orgId/user-resources')
  @Access(null)
  @Returns(ReachableResources, { message: 'User resources retrieved successfully' })
  listUserResources(@Caller() principal: Principal, @OrgId() orgId: string, @Query() page: PageQuery) {
    return this.reachable.list(principal, orgId, page);
  }
}
