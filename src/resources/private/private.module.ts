import { Module } from '@nestjs/common';
import { ClientsModule } from '../../clients/index.js';
import { SitesModule } from '../../sites/index.js';
import { DomainsModule } from '../domains/domains.module.js';
import { GrantsRepository } from '../grants/grants.repository.js';
import { StagedModule } from '../staged/staged.module.js';
import { WriterModule } from '../writer/writer.module.js';
import { PrivateResourcesController } from './private.controller.js';
import { PrivateRepository } from './private.repository.js';
import { PrivateResourcesService } from './private.service.js';
import { PrivateGrantsController } from './private-grants.controller.js';
import { PrivateGrantsRepository } from './private-grants.repository.js';
import { PrivateGrantsService } from './private-grants.service.js';
import { PrivateLinks } from './private-links.js';
import { PrivateReads } from './private-reads.js';

/** Private ("site") resources and who may use them. */
@Module({
  imports: [ClientsModule, DomainsModule, SitesModule, StagedModule, WriterModule],
  controllers: [PrivateResourcesController, PrivateGrantsController],
  providers: [
    PrivateResourcesService,
    PrivateGrantsService,
    PrivateLinks,
    PrivateReads,
    PrivateRepository,
    PrivateGrantsRepository,
    GrantsRepository,
  ],
  exports: [PrivateResourcesService],
})
export class PrivateResourcesModule {}
