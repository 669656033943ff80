import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/index.js';
import { JobsModule } from '../../jobs/index.js';
import { BundlesModule } from '../bundles/bundles.module.js';
import { SecretsModule } from '../secrets/secrets.module.js';
import { RolloutJobs } from './rollout-jobs.js';
import { RolloutsModule } from './rollouts.module.js';

/** The steps of rollouts. */
@Module({
  imports: [AuditModule, JobsModule, BundlesModule, RolloutsModule, SecretsModule],
  providers: [RolloutJobs],
})
export class RolloutJobsModule {}
