import { Module } from '@nestjs/common';
import { ResourceRows } from './resource-rows.js';
import { ResourceWriter } from './resource-writer.js';
import { TargetHealth } from './target-health.js';

@Module({
  providers: [ResourceRows, ResourceWriter, TargetHealth],
  exports: [ResourceWriter, TargetHealth],
})
export class WriterModule {}
