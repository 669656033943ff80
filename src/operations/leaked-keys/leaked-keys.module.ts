import { Module } from '@nestjs/common';
import { JobsModule } from '../../jobs/index.js';
import { ProvisioningModule } from '../../provisioning/index.js';
import { LeakedKeysController } from './leaked-keys.controller.js';
import { LeakedKeysRepository } from './leaked-keys.repository.js';
import { LeakedKeysService } from './leaked-keys.service.js';

/** Provisioning keys that others have got hold of. */
@Module({
  imports: [JobsModule, ProvisioningModule],
  controllers: [LeakedKeysController],
  providers: [LeakedKeysRepository, LeakedKeysService],
})
export class LeakedKeysModule {}
