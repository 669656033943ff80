import { Body, Controller, Get, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Caller, ErrorResponses, type GatehouseRequest, type Principal, Returns, SiteAccess } from '#platform';
import { AcknowledgementsService } from './bundles/acknowledgements.service.js';
import { BundleAckBody } from './bundles/bundles.dto.js';
import { FetchesService } from './bundles/fetches.service.js';
import { LeaseBody, LeaseView } from './leases/leases.dto.js';
import { LeasesService } from './leases/leases.service.js';

/** What an instance asks for, and says, over HTTP (docs/instances.md §4). */
@ApiTags('Instances')
@Controller('device')
export class DeviceController {
  constructor(
    private readonly fetches: FetchesService,
    private readonly acknowledgements: AcknowledgementsService,
    private readonly leases: LeasesService,
  ) {}

  /** Fetch the site's own bundle, signed, and sealed for its bundle key */
  @Get('bundle')
  @SiteAccess({ direct: true })
  @ErrorResponses(409)
  @ApiHeader({ name: 'If-None-Match', required: false, schema: { type: 'string' } })
  @ApiResponse({
    status: 200,
    description:
      'A JWE (RFC 7516) with a JWS (RFC 7515) in it; the JWS alone for a site without a key. ETag is the digest of the JWS',
    headers: { ETag: { description: 'SHA-256 of the JWS, base64url', schema: { type: 'string' } } },
    content: { 'application/jose': { schema: { type: 'string' } } },
  })
  @ApiResponse({ status: 304, description: 'The bundle is the one that `If-None-Match` names' })
  async getBundle(
    @Caller() { site }: Principal,
    @Req() request: GatehouseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | undefined> {
    const { orgId, siteId } = site!;
    const fetched = await this.fetches.fetch(orgId, siteId, tagsOf(request.headers['if-none-match']));
    reply.header('etag', `"${fetched.digest}"`).header('cache-control', 'no-store');
    if ('jose' in fetched) {
      reply.header('content-type', 'application/jose');
      return fetched.jose;
    }
    reply.status(304);
    return undefined;
  }

  /** Say what became of a version of the bundle */
  @Post('bundle/ack')
  @SiteAccess({ direct: true })
  @ErrorResponses(400)
  @HttpCode(204)
  @ApiNoContentResponse({
    description: 'Heard; what was said before, or of a version that was never fetched, changes nothing',
  })
  acknowledgeBundle(@Caller() { site }: Principal, @Body() body: BundleAckBody): Promise<void> {
    return this.acknowledgements.take(site!.orgId, site!.siteId, body);
  }

  /** Take or renew the lease, the right to use the bundle for a while */
  @Post('lease')
  @SiteAccess({ direct: true })
  @ErrorResponses(400)
  @Returns(LeaseView, { message: 'Lease granted' })
  takeLease(@Caller() { site }: Principal, @Body() { nonce, prev = null, ver }: LeaseBody): Promise<LeaseView> {
    return this.leases.take(site!.orgId, site!.siteId, { nonce, prev, ver });
  }
}

/** The tags of `If-None-Match`; weak ones count like others (RFC 9110 §13.1.2). */
const tagsOf = (header: string | undefined): string[] =>
  [...(header ?? '').slice(0, 1000).matchAll(/"([\w-]{43})"/g)].map(([, tag]) => tag!);
