export { headerAuthSecret, SharedSecrets } from './auth/shared-secrets.js';
export { BulkWrites, type ColumnValues, type Relation } from './bulk/bulk-writes.js';
export { refusedName } from './domains/domains.service.js';
export { driftOf, fieldOf, shownOf } from './field-names.js';
export { routeOf } from './private/destinations.js';
export { ownRoutes } from './private/own-routes.js';
export { ResourcesModule } from './resources.module.js';
export { type Evicted, StagedRows } from './staged/staged-rows.js';
