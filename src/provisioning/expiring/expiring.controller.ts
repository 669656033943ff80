import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ExportAs, type ExportFormat, OrgId, type Principal, Returns } from '#platform';
import { ExpiringList, ExpiringQuery } from './expiring.dto.js';
import { ExpiringService } from './expiring.service.js';

@ApiTags('Organizations')
@Controller('org/:orgId')
export class ExpiringController {
  constructor(private readonly expiring: ExpiringService) {}

  /** List what ends before long: keys, credentials of sites, certificate authorities, invitations, access tokens */
  @Get('expiring')
  @Access('listSites')
  @Returns(ExpiringList, { message: 'Expiring items retrieved successfully', exports: true })
  listExpiring(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ExpiringQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.expiring.list(principal, orgId, query, format);
  }
}
