export { BlueprintsModule } from './blueprints.module.js';
export type { Outcome, SiteKind } from './document-applier.js';
export { Documents } from './documents.js';
export { LabelDocuments } from './label-documents.service.js';
export { SiteDocumentsService } from './site-documents.service.js';
