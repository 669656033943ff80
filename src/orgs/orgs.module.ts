import { Module } from '@nestjs/common';
import { AddressPoolModule } from './address-pool.module.js';
import { InvitationsController } from './invitations/invitations.controller.js';
import { InvitationsRepository } from './invitations/invitations.repository.js';
import { InvitationsService } from './invitations/invitations.service.js';
import { OrgClosingService } from './org-closing.service.js';
import { OrgExportService } from './org-export.service.js';
import { OrgOverview } from './org-overview.js';
import { OrgsController } from './orgs.controller.js';
import { OrgsRepository } from './orgs.repository.js';
import { OrgsService } from './orgs.service.js';
import { SearchController } from './search.controller.js';
import { SearchService } from './search.service.js';

/** Organizations, their address pools and their invitations. */
@Module({
  imports: [AddressPoolModule],
  controllers: [OrgsController, InvitationsController, SearchController],
  providers: [
    InvitationsRepository,
    InvitationsService,
    OrgClosingService,
    OrgExportService,
    OrgOverview,
    OrgsRepository,
    OrgsService,
    SearchService,
  ],
  exports: [AddressPoolModule, OrgsService],
})
export class OrgsModule {}
