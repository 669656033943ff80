export { AuditModule } from './audit.module.js';
export { AuditService, type AuditEntry } from './audit.service.js';
export { RefusalRecords } from './refusal-records.js';
export { StrangerShares } from './stranger-shares.js';
export { EventsService, type NewEvent } from './events.service.js';
