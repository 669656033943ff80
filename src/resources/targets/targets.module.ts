import { Module } from '@nestjs/common';
import { SitesModule } from '../../sites/index.js';
import { WriterModule } from '../writer/writer.module.js';
import { TargetsController } from './targets.controller.js';
import { TargetsRepository } from './targets.repository.js';
import { TargetsService } from './targets.service.js';

@Module({
  imports: [SitesModule, WriterModule],
  controllers: [TargetsController],
  providers: [TargetsService, TargetsRepository],
})
export class TargetsModule {}
