import { Module } from '@nestjs/common';
import { PublicResourcesModule } from '../public/public.module.js';
import { ResourceAuthController } from './auth.controller.js';
import { ResourceAuthService } from './auth.service.js';
import { SharedSecrets } from './shared-secrets.js';

@Module({
  imports: [PublicResourcesModule],
  controllers: [ResourceAuthController],
  providers: [ResourceAuthService, SharedSecrets],
  exports: [SharedSecrets],
})
export class ResourceAuthModule {}
