export { ApprovalsModule } from './approvals.module.js';
export { ApprovalsService } from './approvals.service.js';
export { DecisionsService, whyNotApproved, whyNotRejected } from './decisions.service.js';
export { nonceTombstone, Tombstone } from './tombstone.entity.js';
