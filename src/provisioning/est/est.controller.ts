import { applyDecorators, Body, Controller, Get, Param, Post, Req, Res, UseFilters } from '@nestjs/common';
import { ApiBasicAuth, ApiBody, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  AtRoot,
  Caller,
  ErrorResponses,
  type GatehouseRequest,
  NeedsTls,
  type Principal,
  Public,
  SiteCertificateAccess,
  TakesCsr,
} from '#platform';
import { ClaimsService } from '../claims/claims.service.js';
import { certsOnly, csrIn } from './certificates.js';
import { EstService } from './est.service.js';
import { claimOf, EstRefusals, presentedIn, RenewalRefusedFilter } from './est-refusals.js';

const MEDIA_TYPE = 'application/pkcs7-mime; smime-type=certs-only';
const WHY_CERTIFICATES = 'certificates of authorities are what strangers are shown';
const WHY_ENROL = 'claim door: the provisioning key in Authorization: Basic is the credential';
const AUTHORITIES = 'The current authority and former ones that are still trusted';

/** An answer of certificates, over TLS alone. */
const AnswersCertificates = (which: string): MethodDecorator =>
  applyDecorators(
    AtRoot(),
    NeedsTls(),
    ErrorResponses(403, 503),
    ApiResponse({
      status: 200,
      description: `${which} (certs-only CMS, base64)`,
      content: { 'application/pkcs7-mime': { schema: { type: 'string' } } },
    }),
  );
/** For who has a provisioning key. */
const ByKey = () => applyDecorators(Public(WHY_ENROL), ApiBasicAuth('est'), ErrorResponses(401, 429));
const ReadsCsr = () =>
  applyDecorators(
    TakesCsr(),
    ApiBody({ description: 'PKCS#10 in base64', schema: { type: 'string' } }),
    ErrorResponses(400, 413, 415),
  );
const Enrols = () => applyDecorators(AnswersCertificates('The certificate'), ByKey(), ReadsCsr());
/** For who presents a certificate, an expired one too. */
const Renews = () =>
  applyDecorators(
    AnswersCertificates('The next certificate'),
    SiteCertificateAccess(),
    ReadsCsr(),
    UseFilters(RenewalRefusedFilter),
  );

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
    private readonly refusals: EstRefusals,
  ) {}

  /** Download the certificate authorities that an organization's devices trust */
  @Get('.well-known/est/:caId/cacerts')
  @AnswersCertificates(AUTHORITIES)
  @Public(WHY_CERTIFICATES)
  @ErrorResponses(400, 404)
  async getEstCaCertificates(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('caId') caId: string,
  ): Promise<string> {
    return answer(reply, await this.est.authoritiesBeside(caId));
  }

  /** Download the same with a provisioning key instead of a label */
  @Get('.well-known/est/cacerts')
  @AnswersCertificates(AUTHORITIES)
  @ByKey()
  async getEstCaCertificatesByKey(
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const claim = claimOf(request, null);
    try {
      const { orgUid } = await this.claims.organizationOf(presentedIn(request, claim));
      return answer(reply, await this.est.authoritiesOf(orgUid));
    } catch (error) {
      return this.refusals.ofClaim(error, claim, request, reply);
    }
  }

  /** Exchange a provisioning key for a certificate, at the address of an authority */
  @Post('.well-known/est/:caId/simpleenroll')
  @Enrols()
  async enrolByEstAt(
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('caId') caId: string,
    @Body() body: unknown,
  ): Promise<string> {
    return this.enrol(request, reply, body, await this.est.organizationOf(caId));
  }

  /** Exchange a provisioning key for a certificate */
  @Post('.well-known/est/simpleenroll')
  @Enrols()
  async enrolByEst(
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Body() body: unknown,
  ): Promise<string> {
    return this.enrol(request, reply, body, undefined);
  }

  /** Renew the client certificate of the connection by itself, at the address of an authority */
  @Post('.well-known/est/:caId/simplereenroll')
  @Renews()
  async renewByEstAt(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Principal,
    @Param('caId') caId: string,
    @Body() body: unknown,
  ): Promise<string> {
    return answer(reply, [await this.est.reenrol(caller, caId, await csrIn(body))]);
  }

  /** Renew the client certificate of the connection by itself */
  @Post('.well-known/est/simplereenroll')
  @Renews()
  async renewByEst(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Principal,
    @Body() body: unknown,
  ): Promise<string> {
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
      return this.refusals.ofClaim(error, claim, request, reply);
    }
  }
}

function answer(reply: FastifyReply, certificates: string[]): string {
  reply.header('content-type', MEDIA_TYPE).header('content-transfer-encoding', 'base64').status(200);
  return certsOnly(certificates);
}
