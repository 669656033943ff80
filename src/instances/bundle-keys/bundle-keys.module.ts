import { Module } from '@nestjs/common';
import { SitesModule } from '../../sites/index.js';
import { BundleKeysRepository } from './bundle-keys.repository.js';
import { BundleKeys } from './bundle-keys.service.js';

/** The keys that bundles are sealed for. */
@Module({ imports: [SitesModule], providers: [BundleKeys, BundleKeysRepository], exports: [BundleKeys] })
export class BundleKeysModule {}
