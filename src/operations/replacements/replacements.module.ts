import { Module } from '@nestjs/common';
import { AccessModule } from '../../access/index.js';
import { ApprovalsModule } from '../../approvals/index.js';
import { InstancesModule } from '../../instances/index.js';
import { ProvisioningModule } from '../../provisioning/index.js';
import { SitesModule } from '../../sites/index.js';
import { ReplacementsController } from './replacements.controller.js';
import { ReplacementsRepository } from './replacements.repository.js';
import { ReplacementsService } from './replacements.service.js';

/** Devices that take the place of others. */
@Module({
  imports: [AccessModule, ApprovalsModule, InstancesModule, ProvisioningModule, SitesModule],
  controllers: [ReplacementsController],
  providers: [ReplacementsRepository, ReplacementsService],
})
export class ReplacementsModule {}
