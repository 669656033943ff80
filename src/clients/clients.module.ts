import { Module } from '@nestjs/common';
import { SearchKinds } from '#platform';
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
export class ClientsModule {
  constructor(search: SearchKinds) {
    search.register({
      kind: 'client',
      action: 'listClients',
      from: 'client',
      org: 'org_id',
      id: 'client_id',
      name: 'name',
      note: 'olm_id',
      matches: ['name', 'nice_id', 'olm_id'],
    });
  }
}
