import { Module } from '@nestjs/common';
import { AccessModule } from '../access/index.js';
import { SitesModule } from '../sites/index.js';
import { ApprovalsController } from './approvals.controller.js';
import { ApprovalsRepository } from './approvals.repository.js';
import { ApprovalsService } from './approvals.service.js';
import { DecisionsService } from './decisions.service.js';

@Module({
  imports: [AccessModule, SitesModule],
  controllers: [ApprovalsController],
  providers: [ApprovalsService, DecisionsService, ApprovalsRepository],
})
export class ApprovalsModule {}
