import { Module } from '@nestjs/common';
import { DrainService } from './drain.service.js';
import { MasterKeysModule } from './master-keys/master-keys.module.js';
import { ServerLease } from './server-lease.service.js';
import { ServersRepository } from './servers.repository.js';

/** This server process among others: its row, its lease, and how it stops. */
@Module({
  imports: [MasterKeysModule],
  providers: [DrainService, ServerLease, ServersRepository],
  exports: [ServerLease],
})
export class ClusterModule {}
