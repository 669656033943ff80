export { APPROVALS_ENTITIES, ApprovalsModule } from './approvals.module.js';
