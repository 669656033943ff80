import { Body, Controller, Post, Req } from '@nestjs/common';
import { ApiBody, ApiExtraModels, ApiResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import {
  ApiResult,
  AppError,
  ErrorBody,
  ErrorResponses,
  type GatehouseRequest,
  Public,
  Returns,
  siteBundleKey,
} from '#platform';
import { parseCsr } from '../authority/csr.js';
import { ClaimRefused, type ClaimRequest, type ClaimResult, type IssuedCredential } from './claim.js';
import { DeviceRefusal, DeviceUnavailable, ProvisionAnswer, ProvisionBody } from './claim-endpoints.dto.js';
import { ClaimsService } from './claims.service.js';
import { lenientBody, nonceHash } from './lenient-body.js';
import { Refusals } from './refusals.js';

const REFUSAL = new AppError('permission_denied', 'Permission denied', { body: { error: 'permission_denied' } });

/** The claim endpoint of devices (docs/claims.md "Claim endpoints"): bare JSON, no envelope. */
@ApiTags('Claims')
@Controller()
export class DeviceClaimController {
  constructor(
    private readonly claims: ClaimsService,
    private readonly refusals: Refusals,
  ) {}

  /** Exchange a provisioning key for a device credential */
  @Post('provision')
  @Public('claim door: the provisioning key in the body is the credential')
  @ApiBody({ type: ProvisionBody })
  @ApiExtraModels(DeviceRefusal, DeviceUnavailable)
  @ErrorResponses(400, 413, 429)
  @ApiResponse({
    status: 403,
    description: 'Refused; the same for every reason',
    schema: { $ref: getSchemaPath(DeviceRefusal) },
  })
  @ApiResponse({
    status: 503,
    description: 'Not possible at the moment; see Retry-After',
    schema: { oneOf: [{ $ref: getSchemaPath(DeviceUnavailable) }, { $ref: getSchemaPath(ErrorBody) }] },
  })
  @Returns(ProvisionAnswer, {
    status: 201,
    also: { 200: 'Recognised; the answer holds no secret' },
    bare: true,
    message: 'Claimed',
  })
  async provisionDevice(
    @Req() request: GatehouseRequest,
    @Body(lenientBody(ProvisionBody)) body: unknown,
  ): Promise<ApiResult<ProvisionAnswer>> {
    const given = body as ProvisionBody;
    const claim: ClaimRequest = {
      door: 'device',
      key: given.provision_key,
      name: given.device_name ?? null,
      hardwareId: given.hardware_id,
      sentHardwareId: null,
      nonceHash: nonceHash(given.claim_nonce),
      csr: given.csr === undefined ? null : await parseCsr(given.csr),
      ephemeral: given.ephemeral ?? false,
      bundleKey: given.bundle_key ? siteBundleKey(given.bundle_key) : null,
      trust: given.trust_fingerprint ? { field: 'trust_fingerprint', fingerprint: given.trust_fingerprint } : null,
      address: request.ip,
    };
    try {
      return answer(await this.claims.claim(claim), claim.ephemeral);
    } catch (error) {
      if (error instanceof ClaimRefused) return this.refusals.refuse(error, claim, request.arrivedAt!, REFUSAL);
      if (error instanceof AppError && error.status === 503) {
        throw new AppError(error.code, error.message, { ...error.details, body: { error: error.code } });
      }
      throw error;
    }
  }
}

function answer(result: ClaimResult, ephemeral: boolean): ApiResult<ProvisionAnswer> {
  const { current, next } = result.thumbprints!;
  const more = {
    ...(ephemeral ? { ephemeral_seconds: result.ephemeralSeconds } : {}),
    signing_key_thumbprint: current,
    next_signing_key_thumbprint: next,
  };
  const status = result.outcome === 'recognised' ? 200 : 201;
  return new ApiResult({ device_id: result.deviceId, ...credentialOf(result), ...more }, { status });
}

type CredentialFields = Omit<ProvisionAnswer, 'device_id' | 'signing_key_thumbprint' | 'next_signing_key_thumbprint'>;

function credentialOf(result: ClaimResult): CredentialFields {
  if (result.outcome === 'recognised') return { api_key: '', credential_type: result.credentialType };
  const { credential } = result;
  const { expiresAt } = credential;
  return { ...secretOf(credential), ...(expiresAt ? { expires_at: expiresAt.toISOString() } : {}) };
}

function secretOf(credential: IssuedCredential): CredentialFields {
  switch (credential.kind) {
    case 'api_key':
      return { api_key: credential.apiKey, credential_type: 'api_key' };
    case 'psk':
      return { api_key: '', credential_type: 'psk', psk_identity: credential.identity, psk: credential.psk };
    case 'certificate':
      return {
        api_key: '',
        credential_type: 'certificate',
        certificate: credential.certificate,
        certificate_chain: credential.chain,
      };
    case 'newt':
      throw new Error('the device door issues no newt credentials');
  }
}
