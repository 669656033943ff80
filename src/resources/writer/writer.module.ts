import { Module } from '@nestjs/common';
import { ResourceRows } from './resource-rows.js';
import { ResourceWriter } from './resource-writer.js';

@Module({ providers: [ResourceRows, ResourceWriter], exports: [ResourceWriter] })
export class WriterModule {}
