import { Module } from '@nestjs/common';
import { PublicResourcesModule } from '../public/public.module.js';
import { RulesController } from './rules.controller.js';
import { RulesRepository } from './rules.repository.js';
import { RulesService } from './rules.service.js';

@Module({
  imports: [PublicResourcesModule],
  controllers: [RulesController],
  providers: [RulesService, RulesRepository],
})
export class RulesModule {}
