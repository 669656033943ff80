import { Module } from '@nestjs/common';
import { DomainsModule } from './domains/domains.module.js';

/** What sites expose and to whom; each noun has a folder and a module of its own. */
@Module({ imports: [DomainsModule] })
export class ResourcesModule {}
