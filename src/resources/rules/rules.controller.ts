import { Body, Controller, Delete, Get, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  ApiResult,
  Caller,
  ChecksVersion,
  ExportAs,
  type ExportFormat,
  Id,
  IfMatch,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import { CreateRuleBody, RuleList, RuleView, UpdateRuleBody } from './rules.dto.js';
import { RulesService } from './rules.service.js';

@ApiTags('Rules')
@Controller('resource/:resourceId')
export class RulesController {
  constructor(private readonly rules: RulesService) {}

  /** Add a rule to an HTTP resource */
  @Put('rule')
  @Access('createResourceRule')
  @Returns(RuleView, { status: 201, message: 'Resource rule created successfully', versioned: true })
  createResourceRule(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: CreateRuleBody,
  ) {
    return this.rules.create(principal, orgId, resourceId, body);
  }

  /** List the rules of a resource in the order in which they are tried */
  @Get('rules')
  @Access('listResourceRules')
  @Returns(RuleList, { message: 'Resource rules retrieved successfully', exports: true })
  listResourceRules(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.rules.list(principal, orgId, resourceId, page, format);
  }

  /** Read a rule */
  @Get('rule/:ruleId')
  @Access('listResourceRules')
  @Returns(RuleView, { message: 'Resource rule retrieved successfully', versioned: true })
  async getResourceRule(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Id('ruleId') ruleId: number,
  ) {
    const { rule, version } = await this.rules.get(principal, orgId, resourceId, ruleId);
    return new ApiResult(rule, { version });
  }

  /** Change a rule */
  @Post('rule/:ruleId')
  @Access('updateResourceRule')
  @ChecksVersion()
  @Returns(RuleView, { message: 'Resource rule updated successfully', versioned: true })
  async updateResourceRule(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Id('ruleId') ruleId: number,
    @Body() body: UpdateRuleBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const { rule, version } = await this.rules.update(principal, orgId, resourceId, ruleId, body, ifMatch);
    return new ApiResult(rule, { version });
  }

  /** Delete a rule */
  @Delete('rule/:ruleId')
  @Access('deleteResourceRule')
  @ChecksVersion()
  @Returns(null, { message: 'Resource rule deleted successfully' })
  deleteResourceRule(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Id('ruleId') ruleId: number,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.rules.delete(principal, orgId, resourceId, ruleId, ifMatch);
  }
}
