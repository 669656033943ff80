import { Body, Controller, Get, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBasicAuth, ApiBody, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  AppError,
  AtRoot,
  Caller,
  ErrorResponses,
  type GatehouseRequest,
  type Principal,
  Public,
  SiteAccess,
  TakesCsr,
} from '#platform';
import type { ParsedCsr } from '../authority/csr.js';
import { ClaimRefused, type ClaimRequest } from '../claims/claim.js';
import { ClaimsService } from '../claims/claims.service.js';
import { Refusals } from '../claims/refusals.js';
import { presentedBy } from './basic.js';
import { certsOnly, csrIn } from './certificates.js';
import { EstService } from './est.service.js';

const REFUSAL = new AppError('unauthenticated', 'A hardware id and a provisioning key are needed');
const CHALLENGE = 'Basic realm="gatehouse"';
const MEDIA_TYPE = 'application/pkcs7-mime; smime-type=certs-only';
const WHY_CERTIFICATES = 'certificates of authorities are what strangers are shown';
const WHY_ENROL = 'claim door: the provisioning key in Authorization: Basic is the credential';

const Certificates = (description: string) =>
  ApiResponse({ status: 200, description, content: { 'application/pkcs7-mime': { schema: { type: 'string' } } } });
const Csr = () => ApiBody({ description: 'PKCS#10 in base64', schema: { type: 'string' } });

/**
 * Enrolment over Secure Transport (RFC 7030; docs/credentials.md §6). With a label, the id of an authority, or without: the key, or the certificate,
 * tells the organization.
 */
@ApiTags('EST')
@Controller()
export class EstController {
  constructor(
    private readonly est: EstService,
    private readonly claims: ClaimsService,
    private readonly refusals: Refusals,
  ) {}

  /** Download the certificate authorities that an organization's devices trust */
  @Get('.well-known/est/:caId/cacerts')
  @AtRoot()
  @Public(WHY_CERTIFICATES)
  @ErrorResponses(400, 403, 404, 503)
  @Certificates('The current authority and former ones that are still trusted (certs-only CMS, base64)')
  async getEstCaCertificates(
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('caId') caId: string,
  ): Promise<string> {
    requireTls(request);
    return answer(reply, await this.est.authoritiesBeside(caId));
  }

  /** Download the same with a provisioning key instead of a label */
  @Get('.well-known/est/cacerts')
  @AtRoot()
  @Public(WHY_ENROL)
  @ApiBasicAuth('est')
  @ErrorResponses(401, 403, 429, 503)
  @Certificates('The current authority and former ones that are still trusted (certs-only CMS, base64)')
  async getEstCaCertificatesByKey(
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    requireTls(request);
    const claim = claimOf(request, null);
    try {
      const { orgUid } = await this.claims.organizationOf(presentedIn(request, claim));
      return answer(reply, await this.est.authoritiesOf(orgUid));
    } catch (error) {
      return this.refused(error, claim, request, reply);
    }
  }

  /** Exchange a provisioning key for a certificate, at the address of an authority */
  @Post('.well-known/est/:caId/simpleenroll')
  @AtRoot()
  @TakesCsr()
  @Public(WHY_ENROL)
  @ApiBasicAuth('est')
  @Csr()
  @ErrorResponses(400, 401, 403, 413, 415, 429, 503)
  @Certificates('The certificate (certs-only CMS, base64)')
  async enrolByEstAt(
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('caId') caId: string,
    @Body() body: unknown,
  ): Promise<string> {
    requireTls(request);
    return this.enrol(request, reply, body, await this.est.organizationOf(caId));
  }

  /** Exchange a provisioning key for a certificate */
  @Post('.well-known/est/simpleenroll')
  @AtRoot()
  @TakesCsr()
  @Public(WHY_ENROL)
  @ApiBasicAuth('est')
  @Csr()
  @ErrorResponses(400, 401, 403, 413, 415, 429, 503)
  @Certificates('The certificate (certs-only CMS, base64)')
  async enrolByEst(
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Body() body: unknown,
  ): Promise<string> {
    requireTls(request);
    return this.enrol(request, reply, body, undefined);
  }

  /** Renew the certificate that is presented, at the address of an authority */
  @Post('.well-known/est/:caId/simplereenroll')
  @AtRoot()
  @TakesCsr()
  @SiteAccess({ direct: true, renewing: true })
  @Csr()
  @ErrorResponses(400, 404, 413, 415)
  @Certificates('The next certificate (certs-only CMS, base64)')
  async renewByEstAt(
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Principal,
    @Param('caId') caId: string,
    @Body() body: unknown,
  ): Promise<string> {
    requireTls(request);
    return answer(reply, [await this.est.reenrol(caller, caId, await csrIn(body))]);
  }

  /** Renew the certificate that is presented */
  @Post('.well-known/est/simplereenroll')
  @AtRoot()
  @TakesCsr()
  @SiteAccess({ direct: true, renewing: true })
  @Csr()
  @ErrorResponses(400, 404, 413, 415)
  @Certificates('The next certificate (certs-only CMS, base64)')
  async renewByEst(
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Principal,
    @Body() body: unknown,
  ): Promise<string> {
    requireTls(request);
    return answer(reply, [await this.est.reenrol(caller, null, await csrIn(body))]);
  }

  private async enrol(
    request: GatehouseRequest,
    reply: FastifyReply,
    body: unknown,
    atOrg: string | null | undefined,
  ): Promise<string> {
    // Who presents nothing may do so without a body, to be asked (RFC 9110 §11.6.1).
    const csr = request.headers.authorization === undefined ? null : await csrIn(body);
    const claim = claimOf(request, csr, atOrg);
    try {
      const result = await this.claims.claim(presentedIn(request, claim));
      if (result.outcome === 'recognised' || result.credential.kind !== 'certificate')
        throw new Error('EST issues a certificate or refuses');
      return answer(reply, [result.credential.certificate]);
    } catch (error) {
      return this.refused(error, claim, request, reply);
    }
  }

  /** The one refusal of EST, whatever was wrong (docs/claims.md rule 2). */
  private async refused(
    error: unknown,
    claim: ClaimRequest,
    request: GatehouseRequest,
    reply: FastifyReply,
  ): Promise<never> {
    if (!(error instanceof ClaimRefused) && !(error instanceof NothingPresented)) throw error;
    reply.header('www-authenticate', CHALLENGE);
    return this.refusals.refuse(error instanceof ClaimRefused ? error : null, claim, request.arrivedAt!, REFUSAL);
  }
}

class NothingPresented extends Error {}

/** Fills in who asks. @throws NothingPresented; ClaimRefused for what cannot be a hardware id and a key */
function presentedIn(request: GatehouseRequest, claim: ClaimRequest): ClaimRequest {
  const presented = presentedBy(request.headers.authorization);
  if (presented === undefined) throw new NothingPresented();
  if (presented === null) throw new ClaimRefused('malformed');
  claim.hardwareId = presented.hardwareId;
  claim.key = presented.key;
  return claim;
}

/** The nonce of a claim by EST is the public key (docs/claims.md rule 38). */
const claimOf = (request: GatehouseRequest, csr: ParsedCsr | null, atOrg?: string | null): ClaimRequest => ({
  door: 'est',
  key: '',
  name: null,
  hardwareId: null,
  sentHardwareId: null,
  nonceHash: csr?.publicKeyHash ?? null,
  csr,
  ephemeral: false,
  bundleKey: null,
  trust: null,
  address: request.ip,
  ...(atOrg === undefined ? {} : { atOrg }),
});

/**
 * A connection of TLS to this server, or one that a proxy of TRUST_PROXY has ended and says so. Before anything that was presented is read.
 * @throws permission_denied
 */
function requireTls({ protocol }: GatehouseRequest): void {
  if (protocol !== 'https') throw new AppError('permission_denied', 'EST needs TLS (RFC 7030 §3.3)');
}

function answer(reply: FastifyReply, certificates: string[]): string {
  reply
    .header('content-type', MEDIA_TYPE)
    .header('content-transfer-encoding', 'base64')
    .header('cache-control', 'no-store')
    .status(200);
  return certsOnly(certificates);
}
