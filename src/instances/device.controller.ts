import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiNoContentResponse, ApiTags } from '@nestjs/swagger';
import { Caller, ErrorResponses, type Principal, Returns, SiteAccess } from '#platform';
import { AcknowledgementsService } from './bundles/acknowledgements.service.js';
import { BundleAckBody } from './bundles/bundles.dto.js';
import { LeaseBody, LeaseView } from './leases/leases.dto.js';
import { LeasesService } from './leases/leases.service.js';

/** What an instance asks for, and says, over HTTP (docs/instances.md §4). */
@ApiTags('Instances')
@Controller('device')
export class DeviceController {
  constructor(
    private readonly acknowledgements: AcknowledgementsService,
    private readonly leases: LeasesService,
  ) {}

  /** Say what became of a version of the bundle */
  @Post('bundle/ack')
  @SiteAccess()
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
  @SiteAccess()
  @ErrorResponses(400)
  @Returns(LeaseView, { message: 'Lease granted' })
  takeLease(@Caller() { site }: Principal, @Body() { nonce, prev = null, ver }: LeaseBody): Promise<LeaseView> {
    return this.leases.take(site!.orgId, site!.siteId, { nonce, prev, ver });
  }
}
