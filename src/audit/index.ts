export { AuditModule } from './audit.module.js';
export { AuditService, type AuditEntry } from './audit.service.js';
export { EventsService, type NewEvent } from './events.service.js';
