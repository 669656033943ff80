import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/index.js';
import { SitesModule } from '../../sites/index.js';
import { BootstrapsModule } from '../bootstraps/bootstraps.module.js';
import { DeviceController } from '../device.controller.js';
import { LeasesRepository } from '../leases/leases.repository.js';
import { LeasesService } from '../leases/leases.service.js';
import { SecretsModule } from '../secrets/secrets.module.js';
import { TrustModule } from '../trust/trust.module.js';
import { AcknowledgementsRepository } from './acknowledgements.repository.js';
import { AcknowledgementsService } from './acknowledgements.service.js';
import { BundleMoves } from './bundle-moves.js';
import { BundleReads } from './bundle-reads.js';
import { BundlesController } from './bundles.controller.js';
import { BundlesRepository } from './bundles.repository.js';
import { BundlesService } from './bundles.service.js';
import { FetchesRepository } from './fetches.repository.js';
import { FetchesService } from './fetches.service.js';
import { InputsService } from './inputs.service.js';
import { SiteBundlesService } from './site-bundles.service.js';

/** Bundles and leases (docs/instances.md §4). */
@Module({
  imports: [AuditModule, BootstrapsModule, SecretsModule, SitesModule, TrustModule],
  controllers: [BundlesController, DeviceController],
  providers: [
    AcknowledgementsRepository,
    AcknowledgementsService,
    BundleMoves,
    BundleReads,
    BundlesRepository,
    BundlesService,
    FetchesRepository,
    FetchesService,
    InputsService,
    LeasesRepository,
    LeasesService,
    SiteBundlesService,
  ],
  exports: [AcknowledgementsService, BundleMoves, BundlesService, LeasesService],
})
export class BundlesModule {}
