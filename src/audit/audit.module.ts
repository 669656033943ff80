import { Global, Module, type OnModuleInit } from '@nestjs/common';
import { Drain, Retention } from '#platform';
import { AnonymousQuota } from './anonymous-quota.js';
import { AuditController } from './audit.controller.js';
import { AuditRepository } from './audit.repository.js';
import { AuditService } from './audit.service.js';
import { EventStreams } from './event-streams.js';
import { EventsController } from './events.controller.js';
import { EventsRepository } from './events.repository.js';
import { EventsService } from './events.service.js';

/** Who did what, and what happened. Global: every module records what it does. */
@Global()
@Module({
  controllers: [AuditController, EventsController],
  providers: [AuditService, AuditRepository, EventsService, EventsRepository, EventStreams, AnonymousQuota],
  exports: [AuditService, EventsService, AnonymousQuota],
})
export class AuditModule implements OnModuleInit {
  constructor(
    private readonly retention: Retention,
    private readonly drain: Drain,
    private readonly streams: EventStreams,
  ) {}

  onModuleInit(): void {
    this.retention.register({ table: 'audit', id: 'audit_id' });
    this.retention.register({ table: 'event', id: 'event_id' });
    this.drain.register('tell sessions', 'event streams', () => this.streams.close());
  }
}
