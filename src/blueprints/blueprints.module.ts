import { Module } from '@nestjs/common';
import { AccessModule } from '../access/index.js';
import { ResourcesModule } from '../resources/index.js';
import { SitesModule } from '../sites/index.js';
import { Apply } from './plan-executor.js';
import { BlueprintsController, SiteBlueprintController } from './blueprints.controller.js';
import { BlueprintsRepository } from './blueprints.repository.js';
import { BlueprintsService } from './blueprints.service.js';
import { Documents } from './documents.js';
import { OwnKeys } from './site-scoped-keys.js';
import { Secrets } from './secrets.js';
import { StateRepository } from './current-state.repository.js';

/** A document of resources: plan and apply, what it owns, what was staged for a site that waits. */
@Module({
  imports: [AccessModule, ResourcesModule, SitesModule],
  controllers: [BlueprintsController, SiteBlueprintController],
  providers: [Apply, BlueprintsRepository, BlueprintsService, Documents, OwnKeys, Secrets, StateRepository],
  exports: [BlueprintsService, Documents],
})
export class BlueprintsModule {}
