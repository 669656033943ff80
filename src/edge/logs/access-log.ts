import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { BatchWriter, Db, Drain } from '#platform';
import { queues } from './edge-metrics.js';
import type { LoginEntry } from './entries.js';
import { LogWritesRepository } from './log-writes.repository.js';
import { clipped } from './masking.js';

/** A row has few texts, each of a bounded length. */
const CAPACITY = 10_000;
const BATCH = 500;
const EVERY_MS = 500;
/** When the server stops. */
const CLOSE_MS = 2_000;
const MOST = { requestId: 128, name: 255, userAgent: 300 };

/** Who logged in on public resources, or tried to; written like the request log. */
@Injectable()
export class AccessLog implements OnModuleInit {
  private readonly logger = new Logger(AccessLog.name);
  private readonly writer: BatchWriter<LoginEntry>;

  constructor(
    db: Db,
    private readonly drain: Drain,
    writes: LogWritesRepository,
  ) {
    this.writer = new BatchWriter<LoginEntry>(AccessLog.name, {
      capacity: CAPACITY,
      batch: BATCH,
      everyMs: EVERY_MS,
      failure: 'Logins could not be logged',
      write: (rows) => writes.addLogins(db.manager, rows),
    });
  }

  onModuleInit(): void {
    queues.set('access', this.writer);
    this.drain.register('flush', AccessLog.name, async () => {
      const left = await this.writer.stop(CLOSE_MS);
      return left > 0 ? `${left} rows` : undefined;
    });
  }

  /** Has a login written with others, soon. Never throws and never waits: what finds no room is dropped and counted. */
  record(entry: LoginEntry): void {
    try {
      const { user, userAgent } = entry;
      this.writer.add({
        ...entry,
        requestId: clipped(entry.requestId, MOST.requestId),
        user: user && { id: clipped(user.id, MOST.name), name: clipped(user.name, MOST.name) },
        userAgent: userAgent && clipped(userAgent, MOST.userAgent),
      });
    } catch (error) {
      this.logger.error({ err: error }, 'A login could not be taken note of');
    }
  }
}
