import { Module } from '@nestjs/common';
import { ClusterModule } from '../../cluster/index.js';
import { ResourcesModule } from '../../resources/index.js';
import { DiagnosisController } from './diagnosis.controller.js';
import { DiagnosisService } from './diagnosis.service.js';
import { ResourceFactsRepository } from './resource-facts.repository.js';
import { SiteFactsRepository } from './site-facts.repository.js';

@Module({
  imports: [ClusterModule, ResourcesModule],
  controllers: [DiagnosisController],
  providers: [DiagnosisService, ResourceFactsRepository, SiteFactsRepository],
})
export class DiagnosisModule {}
