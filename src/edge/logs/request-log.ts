import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { BatchWriter, Db, Drain } from '#platform';
import { measure, queues } from './edge-metrics.js';
import { isAllowed, type RequestEntry } from './entries.js';
import { type LoggedRequest, type LogRow, LogWritesRepository, requestRow } from './log-writes.repository.js';
import { clipped, maskedPath } from './masking.js';
import { TrafficCounters } from './traffic-counters.js';

/** Together the most that waits in this process while PostgreSQL is away. */
const CAPACITY = 50_000;
const BYTES = 32 * 1024 * 1024;
const BATCH = 2_000;
const EVERY_MS = 500;
/** When the server stops. */
const CLOSE_MS = 2_000;

/** Of a row, beside its text. */
const ROW_BYTES = 100;
const MOST = { requestId: 128, host: 255, method: 32, path: 1_024, query: 1_024, userAgent: 300, name: 255, code: 64 };

/** One row a request of a public resource, written off the hot path (docs/adr/0093). */
@Injectable()
export class RequestLog implements OnModuleInit {
  private readonly logger = new Logger(RequestLog.name);
  private readonly writer: BatchWriter<LogRow>;

  constructor(
    db: Db,
    private readonly drain: Drain,
    writes: LogWritesRepository,
    private readonly traffic: TrafficCounters,
  ) {
    this.writer = new BatchWriter<LogRow>(RequestLog.name, {
      capacity: CAPACITY,
      room: { bytes: BYTES, of: ({ text }) => ROW_BYTES + text.length },
      batch: BATCH,
      everyMs: EVERY_MS,
      failure: 'Requests could not be logged',
      write: (rows) => writes.addRequests(db.manager, rows),
    });
  }

  onModuleInit(): void {
    queues.set('request', this.writer);
    this.drain.register('flush', RequestLog.name, async () => {
      const left = await this.writer.stop(CLOSE_MS);
      return left > 0 ? `${left} rows` : undefined;
    });
  }

  /**
   * Takes note of a request that is over: measures it, adds up its bytes, and has its row written with others, soon. Never throws and never
   * waits: what finds no room is dropped and counted.
   */
  record(entry: RequestEntry): void {
    try {
      measure(entry);
      const { orgId, resourceId } = entry;
      if (orgId === null || resourceId === null) return;
      const row = rowOf(entry, orgId, resourceId);
      this.traffic.addRequest(row);
      this.writer.add(requestRow(row));
    } catch (error) {
      this.logger.error({ err: error }, 'A request could not be taken note of');
    }
  }
}

/** Field by field rather than by a spread, which showed in profiles: this is done for each request. */
function rowOf(entry: RequestEntry, orgId: string, resourceId: number): LoggedRequest {
  const { path, query } = maskedPath(entry.path);
  const { user, code, userAgent } = entry;
  return {
    time: entry.time,
    requestId: clipped(entry.requestId, MOST.requestId),
    resourceId,
    orgId,
    host: clipped(entry.host, MOST.host),
    method: clipped(entry.method, MOST.method),
    path: clipped(path, MOST.path),
    query: query && clipped(query, MOST.query),
    scheme: entry.scheme,
    status: entry.status,
    code: code && clipped(code, MOST.code),
    allowed: isAllowed(entry),
    bytesIn: entry.bytesIn,
    bytesOut: entry.bytesOut,
    durationMs: entry.durationMs,
    address: entry.address,
    user: user && { id: clipped(user.id, MOST.name), name: clipped(user.name, MOST.name) },
    decidedBy: entry.decidedBy,
    targetId: entry.targetId,
    siteId: entry.siteId,
    userAgent: userAgent && clipped(userAgent, MOST.userAgent),
    tls: entry.tls,
    country: entry.country,
  };
}
