import { Module } from '@nestjs/common';
import { PublicResourcesModule } from '../public/public.module.js';
import { WriterModule } from '../writer/writer.module.js';
import { GrantsController } from './grants.controller.js';
import { GrantsRepository } from './grants.repository.js';
import { GrantsService } from './grants.service.js';

@Module({
  imports: [PublicResourcesModule, WriterModule],
  controllers: [GrantsController],
  providers: [GrantsService, GrantsRepository],
})
export class GrantsModule {}
