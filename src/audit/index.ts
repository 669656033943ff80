export { AnonymousQuota } from './anonymous-quota.js';
export { AuditModule } from './audit.module.js';
export { type AuditEntry, AuditService } from './audit.service.js';
export { EventsService, type NewEvent } from './events.service.js';
export { RefusalRecords } from './refusal-records.js';
