import { Body, Controller, Get, Param, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
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
  SearchQuery,
} from '#platform';
import {
  AddSecretVersionBody,
  CreateSecretBody,
  SecretDetails,
  SecretList,
  SecretUsers,
  SecretVersionAnswer,
  SecretView,
  UpdateSecretBody,
  UpdateSecretQuery,
} from './secret.dto.js';
import { SecretsService } from './secrets.service.js';

@ApiTags('Secrets')
@Controller('org/:orgId')
export class SecretsController {
  constructor(private readonly secrets: SecretsService) {}

  /** Create a secret; no answer ever holds its value */
  @Put('secret')
  @Access('createSecret')
  @ErrorResponses(409)
  @Returns(SecretVersionAnswer, { status: 201, message: 'Secret created successfully', versioned: true })
  createSecret(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateSecretBody) {
    return this.secrets.create(principal, orgId, body);
  }

  /** List secrets by name */
  @Get('secrets')
  @Access('listSecrets')
  @Returns(SecretList, { message: 'Secrets retrieved successfully', exports: true })
  listSecrets(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() search: SearchQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.secrets.list(principal, orgId, search, format);
  }

  /** Read a secret: its versions, and who uses them; never its value */
  @Get('secret/:name')
  @Access('listSecrets')
  @Returns(SecretDetails, { message: 'Secret retrieved successfully', versioned: true })
  getSecret(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('name') name: string,
    @Query() page: PageQuery,
  ) {
    return this.secrets.get(principal, orgId, name, page);
  }

  /** Change which profiles a secret is for; 409 with the users that it would be taken from */
  @Post('secret/:name')
  @Access('updateSecret')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(SecretView, { message: 'Secret updated successfully', versioned: true, or: SecretUsers })
  updateSecret(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('name') name: string,
    @Body() body: UpdateSecretBody,
    @Query() query: UpdateSecretQuery,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.secrets.update(principal, orgId, name, body, query, ifMatch);
  }

  /** Add a version to a secret, and roll it out to the sites that use it */
  @Post('secret/:name/version')
  @Access('updateSecret')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(SecretVersionAnswer, { status: 201, message: 'Secret version created successfully', versioned: true })
  addSecretVersion(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('name') name: string,
    @Body() body: AddSecretVersionBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.secrets.addVersion(principal, orgId, name, body, ifMatch);
  }
}
