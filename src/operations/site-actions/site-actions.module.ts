import { Module } from '@nestjs/common';
import { AgentsModule } from '../../agents/index.js';
import { ApprovalsModule } from '../../approvals/index.js';
import { InstancesModule } from '../../instances/index.js';
import { JobsModule } from '../../jobs/index.js';
import { ProvisioningModule } from '../../provisioning/index.js';
import { SitesModule } from '../../sites/index.js';
import { SiteActionJobs } from './site-action-jobs.js';
import { SiteActionsController } from './site-actions.controller.js';
import { SiteActionsService } from './site-actions.service.js';
import { SiteActs } from './site-acts.js';
import { SiteFactsRepository } from './site-facts.repository.js';

/** One act on many sites, as a job. */
@Module({
  imports: [AgentsModule, ApprovalsModule, InstancesModule, JobsModule, ProvisioningModule, SitesModule],
  controllers: [SiteActionsController],
  providers: [SiteActionJobs, SiteActionsService, SiteActs, SiteFactsRepository],
})
export class SiteActionsModule {}
