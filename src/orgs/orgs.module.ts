import { Module } from '@nestjs/common';
import { AddressPoolModule } from './address-pool.module.js';
import { OrgsController } from './orgs.controller.js';
import { OrgsRepository } from './orgs.repository.js';
import { OrgsService } from './orgs.service.js';

/** Organizations and their address pools. */
@Module({
  imports: [AddressPoolModule],
  controllers: [OrgsController],
  providers: [OrgsRepository, OrgsService],
  exports: [AddressPoolModule, OrgsService],
})
export class OrgsModule {}
