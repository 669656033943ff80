import { Module } from '@nestjs/common';
import { SearchKinds } from '#platform';
import { AccessModule } from '../access/index.js';
import { AddressPoolModule } from '../orgs/index.js';
import { GroupsController } from './groups/groups.controller.js';
import { GroupsService } from './groups/groups.service.js';
import { SiteDevices } from './site-devices.service.js';
import { SiteFacetsService } from './site-facets.js';
import { SiteLifecycleService } from './site-lifecycle.service.js';
import { SiteReads } from './site-reads.js';
import { SiteStatusService } from './site-status.service.js';
import { SiteTraffic } from './site-traffic.js';
import { SitesController } from './sites.controller.js';
import { SitesRepository } from './sites.repository.js';
import { SitesService } from './sites.service.js';

@Module({
  imports: [AccessModule, AddressPoolModule],
  controllers: [SitesController, GroupsController],
  providers: [
    SiteFacetsService,
    SiteDevices,
    SiteLifecycleService,
    SitesService,
    GroupsService,
    SiteReads,
    SiteStatusService,
    SiteTraffic,
    SitesRepository,
  ],
  exports: [SiteDevices, SiteLifecycleService, SiteReads, SiteStatusService, SiteTraffic],
})
export class SitesModule {
  constructor(search: SearchKinds) {
    search.register({
      kind: 'site',
      action: 'listSites',
      from: 'site',
      org: 'org_id',
      id: 'site_id',
      name: 'name',
      note: 'hardware_id',
      matches: ['name', 'nice_id', 'hardware_id'],
    });
  }
}
