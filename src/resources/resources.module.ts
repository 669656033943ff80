import { Module } from '@nestjs/common';

/** What sites expose and to whom; each noun has a folder and a module of its own. */
@Module({ imports: [] })
export class ResourcesModule {}
