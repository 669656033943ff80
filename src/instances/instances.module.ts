import { Module } from '@nestjs/common';
import { ProvisioningModule } from '../provisioning/index.js';
import { TrustModule } from './trust/trust.module.js';

/** Secrets, bootstrap documents, bundles and what makes an instance trust them (docs/instances.md). */
@Module({
  imports: [ProvisioningModule, TrustModule],
})
export class InstancesModule {}
