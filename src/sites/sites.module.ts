import { Module } from '@nestjs/common';
import { AddressPoolModule } from '../orgs/index.js';
import { SitesRepository } from './sites.repository.js';
import { SitesService } from './sites.service.js';

@Module({
  imports: [AddressPoolModule],
  providers: [SitesService, SitesRepository],
  exports: [SitesService],
})
export class SitesModule {}
