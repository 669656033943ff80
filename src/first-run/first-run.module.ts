import { Module } from '@nestjs/common';
import { AccessModule } from '../access/index.js';
import { OrgsModule } from '../orgs/index.js';
import { ProvisioningModule } from '../provisioning/index.js';
import { FirstRun } from './first-run.service.js';

/** What a first run creates; may use every module. */
@Module({ imports: [AccessModule, OrgsModule, ProvisioningModule], providers: [FirstRun], exports: [FirstRun] })
export class FirstRunModule {}
