export { BulkWrites, type ColumnValues, type Relation } from './bulk/bulk-writes.js';
export { hashShared, headerAuthSecret, matchesShared } from './auth/shared-secrets.js';
export { ResourcesModule } from './resources.module.js';
