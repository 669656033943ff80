import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Config, Db, invalid, orgUidOf, PeriodicTask, type Principal, Retention } from '#platform';
import type { Bucket, StatsQuery, StatsView } from './stats.dto.js';
import { StatsRepository } from './stats.repository.js';

const SAMPLE_MS = 60_000;
const MOST_BUCKETS = 1000;
const SECONDS: Record<Bucket, number> = { minute: 60, hour: 3600, day: 86_400 };
const DEFAULT_BUCKETS: Record<Bucket, number> = { minute: 60, hour: 24, day: 30 };

/** Numbers over time (docs/integration-api.md §3.1). Whole buckets of UTC. */
@Injectable()
export class StatsService implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  // More often than there is a sample, so that one that a server left out by its end is taken by another.
  private readonly task = new PeriodicTask(StatsService.name, {
    failure: 'The sites that are online could not be counted',
    everyMs: SAMPLE_MS,
    run: async () => void (await this.sample()),
  });

  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: StatsRepository,
    private readonly retention: Retention,
  ) {}

  onModuleInit(): void {
    const before = `now() - interval '${this.config.retention.days} days'`;
    this.retention.register({ table: 'event_minute', expired: `minute < ${before}` });
    this.retention.register({ table: 'online_sample', expired: `at < ${before}` });
  }

  onApplicationBootstrap(): void {
    this.task.wake(Math.random() * SAMPLE_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** Counts the sites that are online, if it is time. @returns whether this did it */
  sample(): Promise<boolean> {
    return this.db.tx((tx) => this.repository.sample(tx));
  }

  /** @throws validation for an end before the beginning, and for more than 1,000 buckets */
  async read(principal: Principal, orgId: string, { metric, bucket, ...period }: StatsQuery): Promise<StatsView> {
    const seconds = SECONDS[bucket];
    const ms = seconds * 1000;
    const end = period.to === undefined ? Date.now() : Date.parse(period.to);
    const start = period.from === undefined ? end - DEFAULT_BUCKETS[bucket] * ms : Date.parse(period.from);
    if (start >= end) throw invalid('from', 'must be before to');
    const from = Math.floor(start / ms) * ms;
    const length = Math.ceil((end - from) / ms);
    if (length > MOST_BUCKETS)
      throw invalid('from', `at most ${MOST_BUCKETS} buckets: choose a later one, or larger buckets`);
    const [first, last] = [new Date(from), new Date(from + length * ms)];
    const orgUid = await orgUidOf(this.db.manager, principal, orgId);
    const filled = await this.repository.filled(this.db.manager, orgUid, metric, first, last, seconds);
    const byBucket = new Map(filled.map((f) => [f.bucket, f]));
    const points = Array.from({ length }, (_, i) => {
      const { value = metric === 'online' ? null : 0, min = null, max = null } = byBucket.get(i) ?? {};
      return { at: new Date(from + i * ms), value, min, max };
    });
    return { metric, bucket, from: first, to: last, timeZone: 'UTC', points };
  }
}
