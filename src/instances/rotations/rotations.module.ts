import { Module } from '@nestjs/common';
import { JobsModule } from '../../jobs/index.js';
import { SitesModule } from '../../sites/index.js';
import { RotationJobs } from './rotation-jobs.js';
import { RotationsController } from './rotations.controller.js';
import { RotationsRepository } from './rotations.repository.js';
import { RotationsService } from './rotations.service.js';

/** Rotations of the credentials of many sites, as jobs. */
@Module({
  imports: [JobsModule, SitesModule],
  controllers: [RotationsController],
  providers: [RotationJobs, RotationsRepository, RotationsService],
})
export class RotationsModule {}
