import { Module } from '@nestjs/common';
import { DiagnosisModule } from './diagnosis/diagnosis.module.js';
import { LeakedKeysModule } from './leaked-keys/leaked-keys.module.js';
import { ReplacementsModule } from './replacements/replacements.module.js';
import { SiteActionsModule } from './site-actions/site-actions.module.js';

/** What operators do with a fleet, through the modules that do it with one site. */
@Module({ imports: [DiagnosisModule, LeakedKeysModule, ReplacementsModule, SiteActionsModule] })
export class OperationsModule {}
