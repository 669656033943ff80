import { Module } from '@nestjs/common';
import { AccessModule } from '../access/index.js';
import { JobsModule } from '../jobs/index.js';
import { SitesModule } from '../sites/index.js';
import { ApprovalsController } from './approvals.controller.js';
import { ApprovalsRepository } from './approvals.repository.js';
import { ApprovalsService } from './approvals.service.js';
import { BulkDecisionRunner } from './bulk-decision-runner.js';
import { BulkDecisionsService } from './bulk-decisions.service.js';
import { DecisionJobs } from './decision-jobs.js';
import { DecisionsService } from './decisions.service.js';

@Module({
  imports: [AccessModule, JobsModule, SitesModule],
  controllers: [ApprovalsController],
  providers: [
    ApprovalsService,
    BulkDecisionsService,
    DecisionJobs,
    BulkDecisionRunner,
    DecisionsService,
    ApprovalsRepository,
  ],
  exports: [ApprovalsService, DecisionsService],
})
export class ApprovalsModule {}
