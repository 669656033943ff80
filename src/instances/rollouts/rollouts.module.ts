import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/index.js';
import { JobsModule } from '../../jobs/index.js';
import { RolloutsController } from './rollouts.controller.js';
import { RolloutsRepository } from './rollouts.repository.js';
import { RolloutsService } from './rollouts.service.js';

/** How changes begin to go to sites; what they are brought with is in rollout-jobs.module.ts, which stands on bundles. */
@Module({
  imports: [AuditModule, JobsModule],
  controllers: [RolloutsController],
  providers: [RolloutsService, RolloutsRepository],
  exports: [RolloutsService, RolloutsRepository],
})
export class RolloutsModule {}
