import { Module } from '@nestjs/common';
import { BootstrapDocuments } from './bootstrap-documents.js';
import { BootstrapsRepository } from './bootstraps.repository.js';
import { BootstrapsService } from './bootstraps.service.js';

/** Bootstrap documents of profiles: what instances are started with (docs/instances.md §1). */
@Module({
  providers: [BootstrapsService, BootstrapsRepository, BootstrapDocuments],
  exports: [BootstrapsService],
})
export class BootstrapsModule {}
