import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/index.js';
import { SecretChanges } from './secret-changes.js';
import { SecretDelivery } from './secret-delivery.js';
import { SecretUsersRepository } from './secret-users.repository.js';
import { SecretsController } from './secrets.controller.js';
import { SecretsRepository } from './secrets.repository.js';
import { SecretsService } from './secrets.service.js';

/** Secrets of organizations, and who may let a site receive one (docs/instances.md §2). */
@Module({
  imports: [AuditModule],
  controllers: [SecretsController],
  providers: [SecretsService, SecretsRepository, SecretUsersRepository, SecretDelivery, SecretChanges],
  exports: [SecretsService, SecretsRepository, SecretUsersRepository, SecretDelivery, SecretChanges],
})
export class SecretsModule {}
