export { BlueprintsModule } from './blueprints.module.js';
export { BlueprintsService, type Outcome, type SiteKind } from './blueprints.service.js';
export { Documents } from './documents.js';
