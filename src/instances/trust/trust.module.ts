import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/index.js';
import { SigningKeysRepository } from './signing-keys.repository.js';
import { SigningKeys } from './signing-keys.service.js';
import { TrustController } from './trust.controller.js';

/** Signing keys. Without what the other modules of instances need: the admin command has it too. */
@Module({
  imports: [AuditModule],
  controllers: [TrustController],
  providers: [SigningKeys, SigningKeysRepository],
  exports: [SigningKeys],
})
export class TrustModule {}
