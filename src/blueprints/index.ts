export { BlueprintsModule } from './blueprints.module.js';
export { Documents } from './documents.js';
export { BlueprintsService, type Outcome, type SiteKind } from './blueprints.service.js';
