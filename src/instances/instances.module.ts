import { Module } from '@nestjs/common';
import { ProvisioningModule } from '../provisioning/index.js';

/** Secrets, bootstrap documents, bundles and what makes an instance trust them (docs/instances.md). */
@Module({
  imports: [ProvisioningModule],
})
export class InstancesModule {}
