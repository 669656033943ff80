import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import { JobView } from '../../jobs/index.js';
import { FleetRotationList, RotateFleetBody } from './rotations.dto.js';
import { RotationsService } from './rotations.service.js';

/** Credentials of many sites (docs/credentials.md §3). */
@ApiTags('Credentials')
@Controller('org/:orgId/credential-rotations')
export class RotationsController {
  constructor(private readonly rotations: RotationsService) {}

  /** Have the sites that match take another credential each, as a job: it is paused, resumed and cancelled as such */
  @Post()
  @Access('updateSite')
  @ErrorResponses(409)
  @HttpCode(202)
  @Returns(JobView, { status: 202, message: 'Credentials will be rotated by a job', creates: () => true })
  rotateCredentials(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: RotateFleetBody) {
    return this.rotations.start(principal, orgId, body);
  }

  /** List rotations of credentials, newest first; each is a job */
  @Get()
  @Access('listSites')
  @Returns(FleetRotationList, { message: 'Rotations retrieved successfully', exports: true })
  listCredentialRotations(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.rotations.list(principal, orgId, page, format);
  }
}
