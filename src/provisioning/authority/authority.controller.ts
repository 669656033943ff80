import { Body, Controller, Get, Param, Post, Req, Res } from '@nestjs/common';
import { ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  Access,
  Caller,
  ErrorResponses,
  type GatehouseRequest,
  OrgId,
  type Principal,
  Public,
  Returns,
} from '#platform';
import { AuthoritiesService } from './authorities.service.js';
import { AuthorityList, RotateAuthorityBody } from './authority.dto.js';
import { RevocationLists } from './revocation-lists.service.js';

/** Certificate authorities of devices, and their revocation lists (docs/credentials.md §6, §7). */
@ApiTags('Certificates')
@Controller()
export class AuthorityController {
  constructor(
    private readonly authorities: AuthoritiesService,
    private readonly lists: RevocationLists,
  ) {}

  /** List the certificate authorities of an organization, with the sites that have yet to move to the newest */
  @Get('org/:orgId/certificate-authorities')
  @Access('getOrg')
  @Returns(AuthorityList, { message: 'Certificate authorities retrieved successfully' })
  async listCertificateAuthorities(@Caller() caller: Principal, @OrgId() orgId: string): Promise<AuthorityList> {
    return { authorities: await this.authorities.list(caller, orgId) };
  }

  /** Let another certificate authority issue, and trust the present one for an overlap */
  @Post('org/:orgId/certificate-authority/rotate')
  @Access('updateOrg')
  @ErrorResponses(409)
  @Returns(AuthorityList, { message: 'Certificate authority rotated successfully', creates: true })
  async rotateCertificateAuthority(
    @Caller() caller: Principal,
    @OrgId() orgId: string,
    @Body() { overlapSeconds }: RotateAuthorityBody,
  ): Promise<AuthorityList> {
    return { authorities: await this.authorities.rotate(caller, orgId, overlapSeconds) };
  }

  /** Download the certificate revocation list of an authority */
  @Get('ca/:caId/crl')
  @Public('revocation lists are for whoever is shown a certificate')
  @ErrorResponses(400, 404, 503)
  @ApiResponse({
    status: 200,
    description: 'The list (RFC 5280), DER',
    content: { 'application/pkix-crl': { schema: { type: 'string', format: 'binary' } } },
  })
  @ApiResponse({ status: 304, description: 'There is no other one than `If-None-Match` or `If-Modified-Since` names' })
  async getRevocationList(
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('caId') caId: string,
  ): Promise<Buffer | undefined> {
    const { number, madeAt, der } = await this.lists.of(caId);
    const etag = `"${number}"`;
    // Of this one answer a cache may keep a copy: it holds nothing secret, and is signed.
    reply
      .header('etag', etag)
      .header('last-modified', madeAt.toUTCString())
      .header('cache-control', 'public, max-age=60');
    if (isKnown(request, etag, madeAt)) {
      reply.status(304);
      return undefined;
    }
    reply.header('content-type', 'application/pkix-crl');
    return der;
  }
}

/** RFC 9110 §13.2.2: a tag counts before a time. */
function isKnown({ headers }: GatehouseRequest, etag: string, madeAt: Date): boolean {
  const tags = headers['if-none-match'];
  if (tags !== undefined) return tags.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, '')));
  return Date.parse(headers['if-modified-since'] ?? '') >= madeAt.getTime();
}
