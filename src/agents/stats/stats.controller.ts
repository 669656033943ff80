import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, OrgId, type Principal, Returns } from '#platform';
import { StatsQuery, StatsView } from './stats.dto.js';
import { StatsService } from './stats.service.js';

@ApiTags('Organizations')
@Controller('org/:orgId')
export class StatsController {
  constructor(private readonly stats: StatsService) {}

  /** Read a number over time: claims, refusals, approvals, connects, disconnects, sites online */
  @Get('stats')
  @Access('listSites')
  @Returns(StatsView, { message: 'Stats retrieved successfully' })
  getStats(@Caller() principal: Principal, @OrgId() orgId: string, @Query() query: StatsQuery) {
    return this.stats.read(principal, orgId, query);
  }
}
