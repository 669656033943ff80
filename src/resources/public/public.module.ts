import { Module } from '@nestjs/common';
import { SitesModule } from '../../sites/index.js';
import { DomainsModule } from '../domains/domains.module.js';
import { StagedModule } from '../staged/staged.module.js';
import { WriterModule } from '../writer/writer.module.js';
import { RawPorts } from './raw-ports.js';
import { ResourceReads } from './resource-reads.js';
import { ResourcesController } from './resources.controller.js';
import { ResourcesRepository } from './resources.repository.js';
import { ResourcesService } from './resources.service.js';

/** Public resources themselves; what hangs on one has a module of its own. */
@Module({
  imports: [DomainsModule, SitesModule, StagedModule, WriterModule],
  controllers: [ResourcesController],
  providers: [RawPorts, ResourcesService, ResourceReads, ResourcesRepository],
  exports: [RawPorts, ResourcesService, ResourcesRepository],
})
export class PublicResourcesModule {}
