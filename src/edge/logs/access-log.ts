import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { addressBucket, atMost, BatchWriter, Db, Drain } from '#platform';
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
/** Refused logins that are written in a minute: who guesses in a loop is not to fill the log. Each server process counts for itself. */
const REFUSED = { ofSource: 20, ofResource: 100 };
const MINUTE_MS = 60_000;
const MOST = { requestId: 128, name: 255, userAgent: 300 };

/** Who logged in on public resources, or tried to; written like the request log. */
@Injectable()
export class AccessLog implements OnModuleInit {
  private readonly logger = new Logger(AccessLog.name);
  private readonly writer: BatchWriter<LoginEntry>;
  /** Of this minute, by source and by resource. */
  private readonly refused = new LRUCache<string, { count: number }>({ ...atMost(20_000), ttl: MINUTE_MS });
  private overflow = 0;

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
    queues.set('access', this);
    this.drain.register('flush', AccessLog.name, async () => {
      const left = await this.writer.stop(CLOSE_MS);
      return left > 0 ? `${left} rows` : undefined;
    });
  }

  get waitingRows(): number {
    return this.writer.waitingRows;
  }

  /** Those that were too many to be written, and those that could not be. */
  get droppedRows(): number {
    return this.writer.droppedRows + this.overflow;
  }

  /**
   * Has a login written with others, soon. Never throws and never waits: what finds no room is dropped and counted, and so is what a source or a
   * resource has refused beyond some in a minute.
   * @returns whether it will be written
   */
  record(entry: LoginEntry): boolean {
    try {
      if (!entry.allowed && this.isFlood(entry)) {
        this.overflow++;
        return false;
      }
      const { user, userAgent } = entry;
      return this.writer.add({
        ...entry,
        requestId: clipped(entry.requestId, MOST.requestId),
        user: user && { id: clipped(user.id, MOST.name), name: clipped(user.name, MOST.name) },
        userAgent: userAgent && clipped(userAgent, MOST.userAgent),
      });
    } catch (error) {
      this.logger.error({ err: error }, 'A login could not be taken note of');
      return false;
    }
  }

  /** Who is beyond the own bound does not use up that of the resource. */
  private isFlood({ resourceId, address }: LoginEntry): boolean {
    const source = `${resourceId} ${address === null ? '' : addressBucket(address)}`;
    return this.countOf(source) > REFUSED.ofSource || this.countOf(String(resourceId)) > REFUSED.ofResource;
  }

  private countOf(of: string): number {
    let counter = this.refused.get(of);
    if (!counter) this.refused.set(of, (counter = { count: 0 }));
    return ++counter.count;
  }
}
