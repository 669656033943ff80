import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { DataSource } from 'typeorm';
import { PeriodicTask } from '../runtime/periodic-task.js';

const LOOK_EVERY_MS = 2000;
/** Longer than a transaction of a server may stand still. */
const LATE_SECONDS = 6;

const heldBack = new Gauge({
  name: 'gatehouse_event_feed_held_back_seconds',
  help: 'Time for which one running transaction has held the event feed back',
});

interface Oldest {
  txid: string;
  /** When this server saw first that it was the oldest. */
  since: number;
  told: boolean;
}

/**
 * Watches what the event feed waits for: it shows nothing newer than the oldest running transaction (docs/claims.md rule 11), so one that stays
 * open anywhere in the PostgreSQL, in another database too, makes it stand still.
 */
@Injectable()
export class EventFeedMonitor implements OnApplicationShutdown {
  private readonly logger = new Logger(EventFeedMonitor.name);
  private readonly task = new PeriodicTask(EventFeedMonitor.name, {
    failure: 'What holds the event feed back could not be read',
    everyMs: LOOK_EVERY_MS,
    run: () => this.look(),
  });
  private oldest: Oldest | undefined;

  constructor(private readonly dataSource: DataSource) {
    this.task.wake(LOOK_EVERY_MS);
  }

  /** Seconds for which the feed has been held back; 0 while it is not. */
  get heldBackFor(): number {
    const seconds = this.oldest ? Math.floor((performance.now() - this.oldest.since) / 1000) : 0;
    return seconds >= LATE_SECONDS ? seconds : 0;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  private async look(): Promise<void> {
    if (!this.dataSource.isInitialized) return;
    try {
      const [row] = await this.dataSource.query<{ txid: string; running: boolean }[]>(
        'SELECT pg_snapshot_xmin(s)::text AS txid, pg_snapshot_xmin(s) < pg_snapshot_xmax(s) AS running FROM pg_current_snapshot() s',
      );
      if (!row!.running) this.oldest = undefined;
      else if (row!.txid !== this.oldest?.txid)
        this.oldest = { txid: row!.txid, since: performance.now(), told: false };
      if (this.oldest && !this.oldest.told && this.heldBackFor > 0) await this.tell(this.oldest);
    } finally {
      // As it was when last seen, where the database is away.
      heldBack.set(this.heldBackFor);
    }
  }

  private async tell(oldest: Oldest): Promise<void> {
    const [holder] = await this.dataSource.query<object[]>(
      `SELECT pid, datname AS database, usename AS role, application_name AS application, state, xact_start AS since
       FROM pg_stat_activity WHERE backend_xid = ($1::text::xid8)::xid`,
      [oldest.txid],
    );
    oldest.told = true;
    this.logger.warn(
      { holder: holder ?? 'a prepared transaction (pg_prepared_xacts)' },
      'An open transaction holds the event feed back',
    );
  }
}
