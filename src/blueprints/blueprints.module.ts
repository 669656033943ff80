import { Module } from '@nestjs/common';
import { AccessModule } from '../access/index.js';
import { ResourcesModule } from '../resources/index.js';
import { SitesModule } from '../sites/index.js';
import { BlueprintsController, SiteBlueprintController } from './blueprints.controller.js';
import { BlueprintsRepository } from './blueprints.repository.js';
import { BlueprintsService } from './blueprints.service.js';
import { ClaimDocuments } from './claim-documents.js';
import { CurrentStateRepository } from './current-state.repository.js';
import { DeclarationsRepository } from './declarations.repository.js';
import { DocumentApplier } from './document-applier.js';
import { Documents } from './documents.js';
import { HistoryService } from './history.service.js';
import { LabelDocuments } from './label-documents.service.js';
import { PlanExecutor } from './plan-executor.js';
import { PlanningService } from './planning.service.js';
import { Secrets } from './secrets.js';
import { SiteDecisionsService } from './site-decisions.service.js';
import { SiteDocumentsService } from './site-documents.service.js';
import { SiteScopedKeys } from './site-scoped-keys.js';

/** A document of resources: plan and apply, what it owns, what was staged for a site that waits. */
@Module({
  imports: [AccessModule, ResourcesModule, SitesModule],
  controllers: [BlueprintsController, SiteBlueprintController],
  providers: [
    PlanExecutor,
    BlueprintsRepository,
    BlueprintsService,
    ClaimDocuments,
    DeclarationsRepository,
    DocumentApplier,
    Documents,
    HistoryService,
    LabelDocuments,
    PlanningService,
    SiteDecisionsService,
    SiteDocumentsService,
    SiteScopedKeys,
    Secrets,
    CurrentStateRepository,
  ],
  exports: [Documents, LabelDocuments, SiteDocumentsService],
})
export class BlueprintsModule {}
