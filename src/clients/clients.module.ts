import { Module } from '@nestjs/common';
import { AddressPoolModule } from '../orgs/index.js';
import { ClientReads } from './client-reads.js';
import { ClientsController } from './clients.controller.js';
import { ClientsRepository } from './clients.repository.js';
import { ClientsService } from './clients.service.js';

/** Machine clients: their records. */
@Module({
  imports: [AddressPoolModule],
  controllers: [ClientsController],
  providers: [ClientsService, ClientReads, ClientsRepository],
  exports: [ClientsService],
})
export class ClientsModule {}
