import { Body, Controller, Delete, Get, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  ApiResult,
  Caller,
  ChecksVersion,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  IfMatch,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import { CreateTargetBody, TargetList, TargetRow, TargetView, UpdateTargetBody } from './targets.dto.js';
import { TargetsService } from './targets.service.js';

@ApiTags('Targets')
@Controller()
export class TargetsController {
  constructor(private readonly targets: TargetsService) {}

  /** Add a backend to a public resource */
  @Put('resource/:resourceId/target')
  @Access('createTarget')
  @ErrorResponses(409)
  @Returns(TargetRow, { status: 201, message: 'Target created successfully', versioned: true })
  createTarget(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: CreateTargetBody,
  ) {
    return this.targets.create(principal, orgId, resourceId, body);
  }

  /** List the backends of a public resource */
  @Get('resource/:resourceId/targets')
  @Access('listTargets')
  @Returns(TargetList, { message: 'Targets retrieved successfully', exports: true })
  listTargets(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.targets.list(principal, orgId, resourceId, page, format);
  }

  /** Read a target */
  @Get('target/:targetId')
  @Access('getTarget')
  @Returns(TargetView, { message: 'Target retrieved successfully', versioned: true })
  async getTarget(@Caller() principal: Principal, @OrgId() orgId: string, @Id('targetId') targetId: number) {
    const { target, version } = await this.targets.get(principal, orgId, targetId);
    return new ApiResult(target, { version });
  }

  /** Change a target */
  @Post('target/:targetId')
  @Access('updateTarget')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(TargetRow, { message: 'Target updated successfully', versioned: true })
  async updateTarget(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('targetId') targetId: number,
    @Body() body: UpdateTargetBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const { target, version } = await this.targets.update(principal, orgId, targetId, body, ifMatch);
    return new ApiResult(target, { version });
  }

  /** Delete a target */
  @Delete('target/:targetId')
  @Access('deleteTarget')
  @ChecksVersion()
  @Returns(null, { message: 'Target deleted successfully' })
  deleteTarget(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('targetId') targetId: number,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.targets.delete(principal, orgId, targetId, ifMatch);
  }

  /** Delete a target, named with its resource */
  @Delete('resource/:resourceId/target/:targetId')
  @Access('deleteTarget')
  @ChecksVersion()
  @Returns(null, { message: 'Target deleted successfully' })
  deleteResourceTarget(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Id('targetId') targetId: number,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.targets.delete(principal, orgId, targetId, ifMatch, resourceId);
  }
}
