import { Module } from '@nestjs/common';
import { SitesModule } from '../../sites/index.js';
import { WriterModule } from '../writer/writer.module.js';
import { StagedRows } from './staged-rows.js';

@Module({ imports: [SitesModule, WriterModule], providers: [StagedRows], exports: [StagedRows] })
export class StagedModule {}
