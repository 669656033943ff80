import { Module } from '@nestjs/common';
import { SitesModule } from '../../sites/index.js';
import { PublicResourcesModule } from '../public/public.module.js';
import { TargetsController } from './targets.controller.js';
import { TargetsRepository } from './targets.repository.js';
import { TargetsService } from './targets.service.js';

@Module({
  imports: [PublicResourcesModule, SitesModule],
  controllers: [TargetsController],
  providers: [TargetsService, TargetsRepository],
})
export class TargetsModule {}
