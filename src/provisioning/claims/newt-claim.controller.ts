import { Body, Controller, Post, Req } from '@nestjs/common';
import { ApiBody, ApiTags } from '@nestjs/swagger';
import { ApiResult, AppError, ErrorResponses, type GatehouseRequest, Public, Returns, siteBundleKey } from '#platform';
import { ClaimRefused, type ClaimRequest } from './claim.js';
import { RegisterNewtAnswer, RegisterNewtBody } from './claim-endpoints.dto.js';
import { ClaimsService } from './claims.service.js';
import { lenientBody, nonceHash } from './lenient-body.js';
import { Refusals } from './refusals.js';

const REFUSAL = new AppError('invalid_provisioning_key', 'Invalid provisioning key');

/** The claim endpoint of newts (docs/claims.md "Claim endpoints"; docs/newt.md §2.1). */
@ApiTags('Claims')
@Controller('auth/newt')
export class NewtClaimController {
  constructor(
    private readonly claims: ClaimsService,
    private readonly refusals: Refusals,
  ) {}

  /** Exchange a provisioning key for newt credentials */
  @Post('register')
  @Public('claim door: the provisioning key in the body is the credential')
  @ApiBody({ type: RegisterNewtBody })
  @ErrorResponses(400, 401, 413, 429, 503)
  @Returns(RegisterNewtAnswer, {
    status: 201,
    also: { 200: 'Recognised; the answer holds no secret' },
    message: 'Newt registered successfully',
  })
  async registerNewt(
    @Req() request: GatehouseRequest,
    @Body(lenientBody(RegisterNewtBody)) body: unknown,
  ): Promise<ApiResult<RegisterNewtAnswer>> {
    const given = body as RegisterNewtBody;
    const claim: ClaimRequest = {
      door: 'newt',
      key: given.provisioningKey,
      name: given.name ?? null,
      hardwareId: given.hardwareId ?? null,
      sentHardwareId: null,
      nonceHash: nonceHash(given.claimNonce),
      csr: null,
      ephemeral: given.ephemeral ?? false,
      bundleKey: given.bundleKey ? siteBundleKey(given.bundleKey) : null,
      trust: given.trustFingerprint ? { field: 'trustFingerprint', fingerprint: given.trustFingerprint } : null,
      address: request.ip,
    };
    try {
      const result = await this.claims.claim(claim);
      const more = {
        ...(claim.ephemeral ? { ephemeralSeconds: result.ephemeralSeconds } : {}),
        ...(result.thumbprints
          ? {
              signingKeyThumbprint: result.thumbprints.current,
              nextSigningKeyThumbprint: result.thumbprints.next,
            }
          : {}),
      };
      if (result.outcome === 'recognised')
        return new ApiResult(
          { newtId: result.newtId ?? '', secret: '', ...more },
          { status: 200, message: 'Newt recognised' },
        );
      if (result.credential.kind !== 'newt') throw new Error('the newt door issues newt credentials only');
      const { newtId, secret, expiresAt } = result.credential;
      const ends = expiresAt ? { expiresAt: expiresAt.toISOString() } : {};
      return new ApiResult({ newtId, secret, ...ends, ...more }, { status: 201 });
    } catch (error) {
      if (error instanceof ClaimRefused) return this.refusals.refuse(error, claim, request.arrivedAt!, REFUSAL);
      throw error;
    }
  }
}
