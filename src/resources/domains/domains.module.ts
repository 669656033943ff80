import { Module } from '@nestjs/common';
import { DomainVerifier } from './domain-verifier.service.js';
import { DomainsController } from './domains.controller.js';
import { DomainsRepository } from './domains.repository.js';
import { DomainsService } from './domains.service.js';

@Module({
  controllers: [DomainsController],
  providers: [DomainsService, DomainVerifier, DomainsRepository],
  exports: [DomainsService],
})
export class DomainsModule {}
