import { Module } from '@nestjs/common';
import { PublicResourcesModule } from '../public/public.module.js';
import { ResourceAuthController } from './auth.controller.js';
import { ResourceAuthService } from './auth.service.js';

@Module({ imports: [PublicResourcesModule], controllers: [ResourceAuthController], providers: [ResourceAuthService] })
export class ResourceAuthModule {}
