import { Module } from '@nestjs/common';
import { SitesModule } from '../../sites/index.js';
import { StagedRows } from './staged-rows.js';

@Module({ imports: [SitesModule], providers: [StagedRows], exports: [StagedRows] })
export class StagedModule {}
