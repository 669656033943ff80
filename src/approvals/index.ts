export { ApprovalsModule } from './approvals.module.js';
export { Tombstone } from './tombstone.entity.js';
