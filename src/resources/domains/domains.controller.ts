import { Body, Controller, Delete, Get, Param, Patch, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  ApiResult,
  Caller,
  ChecksVersion,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  IfMatch,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import {
  CreateDomainBody,
  CreatedDomain,
  DnsRecordView,
  DomainList,
  DomainView,
  Done,
  UpdateDomainBody,
  UpdatedDomain,
} from './domains.dto.js';
import { DomainsService } from './domains.service.js';

@ApiTags('Domains')
@Controller('org/:orgId')
export class DomainsController {
  constructor(private readonly domains: DomainsService) {}

  /** List domains by name */
  @Get('domains')
  @Access('listOrgDomains')
  @Returns(DomainList, { message: 'Domains retrieved successfully', exports: true })
  listOrgDomains(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.domains.list(principal, orgId, page, format);
  }

  /** Register a domain; the answer says which DNS records it needs */
  @Put('domain')
  @Access('createOrgDomain')
  @ErrorResponses(409)
  @Returns(CreatedDomain, { status: 201, message: 'Domain created successfully', versioned: true })
  createOrgDomain(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateDomainBody) {
    return this.domains.create(principal, orgId, body);
  }

  /** Read a domain */
  @Get('domain/:domainId')
  @Access('getDomain')
  @Returns(DomainView, { message: 'Domain retrieved successfully', versioned: true })
  async getDomain(@Caller() principal: Principal, @OrgId() orgId: string, @Param('domainId') domainId: string) {
    const { domain, version } = await this.domains.get(principal, orgId, domainId);
    return new ApiResult(domain, { version });
  }

  /** Change the certificate settings of a domain of type wildcard */
  @Patch('domain/:domainId')
  @Access('updateOrgDomain')
  @ChecksVersion()
  @Returns(UpdatedDomain, { message: 'Domain updated successfully', versioned: true })
  async updateOrgDomain(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('domainId') domainId: string,
    @Body() body: UpdateDomainBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const { domain, version } = await this.domains.update(principal, orgId, domainId, body, ifMatch);
    return new ApiResult(domain, { version });
  }

  /** Change the certificate settings of a domain of type wildcard, as newer clients ask */
  @Post('domain/:domainId')
  @Access('updateOrgDomain')
  @ChecksVersion()
  @Returns(UpdatedDomain, { message: 'Domain updated successfully', versioned: true })
  postOrgDomain(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('domainId') domainId: string,
    @Body() body: UpdateDomainBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.updateOrgDomain(principal, orgId, domainId, body, ifMatch);
  }

  /** Delete a domain; resources on it lose their names */
  @Delete('domain/:domainId')
  @Access('deleteOrgDomain')
  @ChecksVersion()
  @Returns(Done, { message: 'Domain deleted successfully' })
  deleteOrgDomain(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('domainId') domainId: string,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.domains.delete(principal, orgId, domainId, ifMatch);
  }

  /** List the DNS records that a domain needs, and which were found */
  @Get('domain/:domainId/dns-records')
  @Access('getDNSRecords')
  @Returns([DnsRecordView], { message: 'DNS records retrieved successfully' })
  getDnsRecords(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('domainId') domainId: string,
    @Query() page: PageQuery,
  ) {
    return this.domains.records(principal, orgId, domainId, page);
  }

  /** Begin the verification of a domain anew */
  @Post('domain/:domainId/restart')
  @Access('restartOrgDomain')
  @ErrorResponses(409)
  @Returns(Done, { message: 'Domain restarted successfully' })
  restartOrgDomain(@Caller() principal: Principal, @OrgId() orgId: string, @Param('domainId') domainId: string) {
    return this.domains.restart(principal, orgId, domainId);
  }
}
