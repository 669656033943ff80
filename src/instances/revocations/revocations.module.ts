import { Module } from '@nestjs/common';
import { TrustModule } from '../trust/trust.module.js';
import { RevocationsRepository } from './revocations.repository.js';
import { RevocationsService } from './revocations.service.js';

/** What is told to machines whose site is over. */
@Module({
  imports: [TrustModule],
  providers: [RevocationsRepository, RevocationsService],
  exports: [RevocationsService],
})
export class RevocationsModule {}
