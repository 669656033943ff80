import { Controller, Get, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, Db, ErrorResponses, OrgId, orgUidOf, type Principal, Returns, SiteAccess } from '#platform';
import { SigningKeys } from './signing-keys.service.js';
import { SigningKeysView, TrustView } from './trust.dto.js';

/** The keys by which instances know their organization (docs/instances.md §3). */
@ApiTags('Instances')
@Controller()
export class TrustController {
  constructor(
    private readonly db: Db,
    private readonly signingKeys: SigningKeys,
  ) {}

  /** Read the signing keys of the site's organization, and the statements that lead to the current one */
  @Get('device/trust')
  @SiteAccess()
  @Returns(TrustView, { message: 'Trust retrieved successfully' })
  async getTrust(@Caller() caller: Principal): Promise<TrustView> {
    return this.signingKeys.trust(await orgUidOf(this.db.manager, caller, caller.site!.orgId));
  }

  /** List the signing keys of an organization, with the fingerprint that its machines are to trust */
  @Get('org/:orgId/signing-keys')
  @Access('getOrg')
  @Returns(SigningKeysView, { message: 'Signing keys retrieved successfully' })
  listSigningKeys(@Caller() caller: Principal, @OrgId() orgId: string): Promise<SigningKeysView> {
    return this.signingKeys.list(caller, orgId);
  }

  /** Let the next signing key follow the current one */
  @Post('org/:orgId/signing-key/rotate')
  @Access('updateOrg')
  @ErrorResponses(409)
  @Returns(SigningKeysView, { message: 'Signing key rotated successfully', creates: true })
  rotateSigningKey(@Caller() caller: Principal, @OrgId() orgId: string): Promise<SigningKeysView> {
    return this.signingKeys.rotate(caller, orgId);
  }
}
