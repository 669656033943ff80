import { Module } from '@nestjs/common';
import { AccessModule } from '../access/index.js';
import { OrgsModule } from '../orgs/index.js';
import { ProvisioningModule } from '../provisioning/index.js';
import { FirstRun } from './first-run.service.js';
import { SetupController } from './setup/setup.controller.js';
import { SetupService } from './setup/setup.service.js';
import { SetupLinks } from './setup/setup-links.js';

/** What a first run creates; may use every module. */
@Module({
  imports: [AccessModule, OrgsModule, ProvisioningModule],
  controllers: [SetupController],
  providers: [FirstRun, SetupLinks, SetupService],
  exports: [FirstRun, SetupLinks],
})
export class FirstRunModule {}
