export { BlueprintsModule } from './blueprints.module.js';
export { Documents } from './documents.js';
export { type Outcome, SiteDocumentsService, type SiteKind } from './site-documents.service.js';
