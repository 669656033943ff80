import { Body, Controller, Delete, Get, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  DeletionQuery,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import { TemplateUsers } from '../users.dto.js';
import { CreateTemplateBody, TemplateList, TemplateView, UpdateTemplateBody } from './template.dto.js';
import { TemplatesService } from './templates.service.js';

@ApiTags('Provisioning')
@Controller('org/:orgId')
export class TemplatesController {
  constructor(private readonly templates: TemplatesService) {}

  /** Create a provisioning template */
  @Put('provisioning-template')
  @Access('createProvisioningTemplate')
  @ErrorResponses(409)
  @Returns(TemplateView, { status: 201, message: 'Provisioning template created successfully' })
  createProvisioningTemplate(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateTemplateBody) {
    return this.templates.create(principal, orgId, body);
  }

  /** List provisioning templates */
  @Get('provisioning-templates')
  @Access('listProvisioningTemplates')
  @Returns(TemplateList, { message: 'Provisioning templates retrieved successfully', exports: true })
  listProvisioningTemplates(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.templates.list(principal, orgId, page, format);
  }

  /** Read a provisioning template */
  @Get('provisioning-template/:templateId')
  @Access('getProvisioningTemplate')
  @Returns(TemplateView, { message: 'Provisioning template retrieved successfully' })
  getProvisioningTemplate(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('templateId') templateId: number,
  ) {
    return this.templates.get(principal, orgId, templateId);
  }

  /** Change a provisioning template; later claims follow it, earlier sites stay as they are */
  @Post('provisioning-template/:templateId')
  @Access('updateProvisioningTemplate')
  @ErrorResponses(409)
  @Returns(TemplateView, { message: 'Provisioning template updated successfully' })
  updateProvisioningTemplate(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('templateId') templateId: number,
    @Body() body: UpdateTemplateBody,
  ) {
    return this.templates.update(principal, orgId, templateId, body);
  }

  /** Delete a provisioning template; 409 with its keys while there are any, which go with it by force */
  @Delete('provisioning-template/:templateId')
  @Access('deleteProvisioningTemplate')
  @ErrorResponses(409)
  @Returns(TemplateUsers, { message: 'Provisioning template deleted successfully', nullable: true })
  deleteProvisioningTemplate(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('templateId') templateId: number,
    @Query() query: DeletionQuery,
  ) {
    return this.templates.delete(principal, orgId, templateId, query);
  }
}
