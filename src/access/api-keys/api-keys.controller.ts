import { Body, Controller, Delete, Get, Param, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ExportAs, type ExportFormat, OrgId, PageQuery, type Principal, Returns } from '#platform';
import {
  ApiKeyActionList,
  ApiKeyList,
  ApiKeyView,
  CreateApiKeyBody,
  CreatedApiKey,
  SetApiKeyActionsBody,
} from './api-keys.dto.js';
import { ApiKeysService } from './api-keys.service.js';

/** API keys of an organization (docs/integration-api.md §3.11). */
@ApiTags('API keys')
@Controller('org/:orgId')
export class ApiKeysController {
  constructor(private readonly apiKeys: ApiKeysService) {}

  /** List the API keys of an organization */
  @Get('api-keys')
  @Access('listApiKeys', { orgKeys: false })
  @Returns(ApiKeyList, { message: 'API keys retrieved successfully', exports: true })
  listApiKeys(@OrgId() orgId: string, @Query() query: PageQuery, @ExportAs() format?: ExportFormat) {
    return this.apiKeys.list(orgId, query, format);
  }

  /** Create an API key; the answer is the only place that shows its secret */
  @Put('api-key')
  @Access('createApiKey', { orgKeys: false })
  @Returns(CreatedApiKey, { status: 201, message: 'API key created successfully' })
  createApiKey(
    @Caller() caller: Principal,
    @OrgId() orgId: string,
    @Body() body: CreateApiKeyBody,
  ): Promise<CreatedApiKey> {
    return this.apiKeys.create(caller, orgId, body);
  }

  /** Read an API key; its secret is never shown again */
  @Get('api-key/:apiKeyId')
  @Access('getApiKey', { orgKeys: false })
  @Returns(ApiKeyView, { message: 'API key retrieved successfully' })
  getApiKey(@OrgId() orgId: string, @Param('apiKeyId') apiKeyId: string): Promise<ApiKeyView> {
    return this.apiKeys.get(orgId, apiKeyId);
  }

  /** Delete an API key */
  @Delete('api-key/:apiKeyId')
  @Access('deleteApiKey', { orgKeys: false })
  @Returns(null, { message: 'API key deleted successfully' })
  deleteApiKey(
    @Caller() caller: Principal,
    @OrgId() orgId: string,
    @Param('apiKeyId') apiKeyId: string,
  ): Promise<void> {
    return this.apiKeys.delete(caller, orgId, apiKeyId);
  }

  /** List the actions that an API key may perform */
  @Get('api-key/:apiKeyId/actions')
  @Access('listApiKeyActions', { orgKeys: false })
  @Returns(ApiKeyActionList, { message: 'API key actions retrieved successfully' })
  listApiKeyActions(
    @OrgId() orgId: string,
    @Param('apiKeyId') apiKeyId: string,
    @Query() query: PageQuery,
  ): Promise<ApiKeyActionList> {
    return this.apiKeys.listActions(orgId, apiKeyId, query);
  }

  /** Replace the actions that an API key may perform */
  @Post('api-key/:apiKeyId/actions')
  @Access('setApiKeyActions', { orgKeys: false })
  @Returns('empty', { status: 201, message: 'API key actions updated successfully' })
  setApiKeyActions(
    @Caller() caller: Principal,
    @OrgId() orgId: string,
    @Param('apiKeyId') apiKeyId: string,
    @Body() body: SetApiKeyActionsBody,
  ): Promise<object> {
    return this.apiKeys.setActions(caller, orgId, apiKeyId, body.actionIds);
  }
}
