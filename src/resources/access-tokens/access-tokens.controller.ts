import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ExportAs, type ExportFormat, Id, OrgId, PageQuery, type Principal, Returns } from '#platform';
import { AccessTokenItem, AccessTokenList, CreateAccessTokenBody, CreatedAccessToken } from './access-tokens.dto.js';
import { AccessTokensService } from './access-tokens.service.js';

@ApiTags('Access tokens')
@Controller()
export class AccessTokensController {
  constructor(private readonly tokens: AccessTokensService) {}

  /** Make a token that lets its bearer pass; shown once */
  @Post('resource/:resourceId/access-token')
  @Access('generateAccessToken')
  @Returns(CreatedAccessToken, { message: 'Resource access token generated successfully', creates: true })
  generateAccessToken(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: CreateAccessTokenBody,
  ) {
    return this.tokens.create(principal, orgId, resourceId, body);
  }

  /** List the tokens of an organization that have not expired */
  @Get('org/:orgId/access-tokens')
  @Access('listAccessTokens')
  @Returns(AccessTokenList, { message: 'Access tokens retrieved successfully', exports: true })
  listAccessTokens(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.tokens.list(principal, orgId, null, page, format);
  }

  /** List the tokens of a resource that have not expired */
  @Get('resource/:resourceId/access-tokens')
  @Access('listAccessTokens')
  @Returns(AccessTokenList, { message: 'Access tokens retrieved successfully', exports: true })
  listResourceAccessTokens(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.tokens.list(principal, orgId, resourceId, page, format);
  }

  /** Read a token that has not expired; what its bearer shows is never shown again */
  @Get('access-token/:accessTokenId')
  @Access('listAccessTokens')
  @Returns(AccessTokenItem, { message: 'Access token retrieved successfully' })
  getAccessToken(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('accessTokenId') accessTokenId: string,
  ) {
    return this.tokens.get(principal, orgId, accessTokenId);
  }

  /** Delete a token */
  @Delete('access-token/:accessTokenId')
  @Access('deleteAcessToken')
  @Returns(null, { message: 'Access token deleted successfully' })
  deleteAccessToken(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('accessTokenId') accessTokenId: string,
  ) {
    return this.tokens.delete(principal, orgId, accessTokenId);
  }
}
