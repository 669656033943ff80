import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/index.js';
import { RolloutsModule } from '../rollouts/rollouts.module.js';
import { SecretsModule } from '../secrets/secrets.module.js';
import { BootstrapChangesService } from './bootstrap-changes.service.js';
import { BootstrapDocuments } from './bootstrap-documents.js';
import { BootstrapsController } from './bootstraps.controller.js';
import { BootstrapsRepository } from './bootstraps.repository.js';
import { BootstrapsService } from './bootstraps.service.js';

/** Bootstrap documents of profiles: what instances are started with (docs/instances.md §1). */
@Module({
  imports: [AuditModule, RolloutsModule, SecretsModule],
  controllers: [BootstrapsController],
  providers: [BootstrapsService, BootstrapChangesService, BootstrapsRepository, BootstrapDocuments],
  exports: [BootstrapsService],
})
export class BootstrapsModule {}
