import { Module } from '@nestjs/common';
import { SitesModule } from '../../sites/index.js';
import { WriterModule } from '../writer/writer.module.js';
import { LocalTargets } from './local-targets.js';
import { TargetsController } from './targets.controller.js';
import { TargetsRepository } from './targets.repository.js';
import { TargetsService } from './targets.service.js';

@Module({
  imports: [SitesModule, WriterModule],
  controllers: [TargetsController],
  providers: [LocalTargets, TargetsService, TargetsRepository],
  exports: [LocalTargets],
})
export class TargetsModule {}
