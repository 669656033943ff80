import { Global, Module } from '@nestjs/common';
import { AuditService } from './audit.service.js';
import { EventsService } from './events.service.js';

/** Global: every module records what it does. */
@Global()
@Module({ providers: [AuditService, EventsService], exports: [AuditService, EventsService] })
export class AuditModule {}
