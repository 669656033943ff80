import { Module } from '@nestjs/common';
import { PublicResourcesModule } from '../public/public.module.js';
import { AccessTokensController } from './access-tokens.controller.js';
import { AccessTokensRepository } from './access-tokens.repository.js';
import { AccessTokensService } from './access-tokens.service.js';

@Module({
  imports: [PublicResourcesModule],
  controllers: [AccessTokensController],
  providers: [AccessTokensService, AccessTokensRepository],
})
export class AccessTokensModule {}
