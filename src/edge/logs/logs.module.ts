import { Module, type OnModuleInit } from '@nestjs/common';
import { Config, Db, Retention } from '#platform';
import { AccessModule } from '../../access/index.js';
import { SitesModule } from '../../sites/index.js';
import { AccessLog } from './access-log.js';
import { AnalyticsRepository } from './analytics.repository.js';
import { LogReadsRepository } from './log-reads.repository.js';
import { LogWritesRepository } from './log-writes.repository.js';
import { LogsController } from './logs.controller.js';
import { LogsService } from './logs.service.js';
import { RequestLog } from './request-log.js';
import { TrafficCounters } from './traffic-counters.js';

/** What is kept of what went through the edge: requests, logins, sums (docs/adr/0093). */
@Module({
  imports: [AccessModule, SitesModule],
  controllers: [LogsController],
  providers: [
    AccessLog,
    AnalyticsRepository,
    LogReadsRepository,
    LogWritesRepository,
    LogsService,
    RequestLog,
    TrafficCounters,
  ],
  exports: [AccessLog, RequestLog, TrafficCounters],
})
export class LogsModule implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly retention: Retention,
    private readonly writes: LogWritesRepository,
  ) {}

  onModuleInit(): void {
    const { days } = this.config.retention;
    const em = this.db.manager;
    for (const [table, expire] of [
      ['request_log', 'expireRequests'],
      ['access_log', 'expireLogins'],
      ['traffic_hour', 'expireTraffic'],
    ] as const)
      this.retention.register({ table, sweep: (limit) => this.writes[expire](em, days, limit) });
  }
}
