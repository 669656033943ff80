import { Controller, Delete, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  ChecksVersion,
  DeletionQuery,
  ErrorResponses,
  Id,
  IfMatch,
  OrgId,
  type Principal,
  Returns,
} from '#platform';
import { SecretUsers } from './secret.dto.js';
import { SecretDeletionService } from './secret-deletion.service.js';

@ApiTags('Secrets')
@Controller('org/:orgId')
export class SecretDeletionController {
  constructor(private readonly deletion: SecretDeletionService) {}

  /** Destroy a version of a secret: its data key is deleted; 409 with its users while it is in use */
  @Delete('secret/:name/version/:version')
  @Access('deleteSecret')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(SecretUsers, { message: 'Secret version destroyed successfully', nullable: true })
  destroySecretVersion(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('name') name: string,
    @Id('version') version: number,
    @Query() query: DeletionQuery,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.deletion.destroyVersion(principal, orgId, name, version, query, ifMatch);
  }

  /** Delete a secret with all its versions; 409 with its users while it is in use */
  @Delete('secret/:name')
  @Access('deleteSecret')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(SecretUsers, { message: 'Secret deleted successfully', nullable: true })
  deleteSecret(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('name') name: string,
    @Query() query: DeletionQuery,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.deletion.delete(principal, orgId, name, query, ifMatch);
  }
}
