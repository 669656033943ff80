import { Module } from '@nestjs/common';
import { PublicResourcesModule } from '../public/public.module.js';
import { WriterModule } from '../writer/writer.module.js';
import { ResourceAuthController } from './auth.controller.js';
import { ResourceAuthService } from './auth.service.js';
import { SharedSecrets } from './shared-secrets.js';

@Module({
  imports: [PublicResourcesModule, WriterModule],
  controllers: [ResourceAuthController],
  providers: [ResourceAuthService, SharedSecrets],
  exports: [SharedSecrets],
})
export class ResourceAuthModule {}
