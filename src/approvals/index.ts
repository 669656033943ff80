export { ApprovalsModule } from './approvals.module.js';
export { nonceTombstone, Tombstone } from './tombstone.entity.js';
