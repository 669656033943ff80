import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/index.js';
import { BundlesModule } from '../bundles/bundles.module.js';
import { SecretDeletionController } from './secret-deletion.controller.js';
import { SecretDeletionService } from './secret-deletion.service.js';
import { SecretsModule } from './secrets.module.js';

/** Secrets and versions that go. Apart from what bundles need of secrets, since by force it changes bundles. */
@Module({
  imports: [AuditModule, BundlesModule, SecretsModule],
  controllers: [SecretDeletionController],
  providers: [SecretDeletionService],
})
export class SecretDeletionModule {}
