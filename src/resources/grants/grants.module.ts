import { Module } from '@nestjs/common';
import { PublicResourcesModule } from '../public/public.module.js';
import { GrantsController } from './grants.controller.js';
import { GrantsRepository } from './grants.repository.js';
import { GrantsService } from './grants.service.js';

@Module({
  imports: [PublicResourcesModule],
  controllers: [GrantsController],
  providers: [GrantsService, GrantsRepository],
})
export class GrantsModule {}
