import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Db, Drain, PeriodicTask, unavailable } from '#platform';
import { SiteTraffic } from '../../sites/index.js';
import { queues } from './edge-metrics.js';
import { type LoggedRequest, LogWritesRepository, type TrafficHour } from './log-writes.repository.js';

const HOUR_MS = 3_600_000;
const EVERY_MS = 5_000;
/** When the server stops. */
const CLOSE_MS = 2_000;
/** Sums that wait in this process, of sites and of hours; while PostgreSQL is away there come to be no more. */
const MOST_SUMS = 20_000;

/** What went through, of whom. */
export interface Traffic {
  orgId: string;
  resourceId: number;
  siteId: number | null;
  bytesIn: number;
  bytesOut: number;
}

interface SiteSum {
  siteId: number;
  bytesIn: number;
  bytesOut: number;
}

/** How much went to and from sites and resources: added up in memory, and to the counters every few seconds (docs/adr/0093). */
@Injectable()
export class TrafficCounters implements OnModuleInit {
  private sites = new Map<number, SiteSum>();
  private hours = new Map<string, TrafficHour>();
  /** Of `hours`, the one asked for last: mostly it is asked for again, and a key for the map is a text to be made. */
  private last: TrafficHour | undefined;
  private dropped = 0;
  private readonly task = new PeriodicTask(TrafficCounters.name, {
    failure: 'Traffic could not be added up',
    retryMs: EVERY_MS,
    run: () => this.write(),
  });

  constructor(
    private readonly db: Db,
    private readonly drain: Drain,
    private readonly writes: LogWritesRepository,
    private readonly siteTraffic: SiteTraffic,
  ) {}

  onModuleInit(): void {
    const waiting = () => this.waiting;
    const dropped = () => this.dropped;
    queues.set('traffic', {
      get waitingRows() {
        return waiting();
      },
      get droppedRows() {
        return dropped();
      },
    });
    this.drain.register('flush', TrafficCounters.name, () => this.stop());
  }

  /** Of a resource that is no HTTP, at any time while it goes through. */
  add(traffic: Traffic): void {
    this.addSite(traffic);
    const sum = this.hourOf(traffic.orgId, traffic.resourceId, Date.now(), '');
    if (sum) addBytes(sum, traffic);
  }

  /** Of a request that is over. */
  addRequest(request: LoggedRequest): void {
    const { orgId, resourceId, time, country, status } = request;
    this.addSite(request);
    const sum = this.hourOf(orgId, resourceId, time, country ?? '');
    if (!sum) return;
    sum.requests++;
    if (!request.allowed) sum.blocked++;
    if (status >= 500) sum.serverErrors++;
    else if (status >= 400) sum.clientErrors++;
    addBytes(sum, request);
  }

  private get waiting(): number {
    return this.sites.size + this.hours.size;
  }

  private addSite({ siteId, bytesIn, bytesOut }: Pick<Traffic, 'siteId' | 'bytesIn' | 'bytesOut'>): void {
    if (siteId === null || (bytesIn === 0 && bytesOut === 0)) return;
    const sum = this.sites.get(siteId);
    if (sum) {
      sum.bytesIn += bytesIn;
      sum.bytesOut += bytesOut;
    } else if (this.hasRoom()) this.sites.set(siteId, { siteId, bytesIn, bytesOut });
  }

  /** The sums of a resource and a country in the hour of a moment; undefined where there is no room for more. */
  private hourOf(orgId: string, resourceId: number, time: number, country: string): TrafficHour | undefined {
    const hour = time - (time % HOUR_MS);
    const { last } = this;
    if (last?.resourceId === resourceId && last.hour === hour && last.country === country && last.orgId === orgId)
      return last;
    const key = `${resourceId} ${hour} ${country} ${orgId}`;
    let sum = this.hours.get(key);
    if (!sum && this.hasRoom()) {
      sum = { orgId, resourceId, hour, country, ...NOTHING };
      this.hours.set(key, sum);
    }
    this.last = sum;
    return sum;
  }

  /** What could not be written. */
  private addHour(hour: TrafficHour): void {
    const sum = this.hourOf(hour.orgId, hour.resourceId, hour.hour, hour.country);
    if (sum) for (const name of SUMMED) sum[name] += hour[name];
  }

  private hasRoom(): boolean {
    this.task.wake(EVERY_MS);
    if (this.waiting < MOST_SUMS) return true;
    this.dropped++;
    return false;
  }

  /** Takes what was added up and writes it; what could not be written now is added to what came meanwhile. */
  private async write(): Promise<void> {
    const { sites, hours } = this;
    this.sites = new Map();
    this.hours = new Map();
    this.last = undefined;
    try {
      await this.db.tx(async (tx) => {
        if (sites.size > 0) await this.siteTraffic.add(tx, [...sites.values()]);
        if (hours.size > 0) await this.writes.addTraffic(tx, [...hours.values()]);
      });
    } catch (error) {
      if (!unavailable(error)) this.dropped += sites.size + hours.size;
      else {
        for (const sum of sites.values()) this.addSite(sum);
        for (const sum of hours.values()) this.addHour(sum);
      }
      throw error;
    }
  }

  /** @returns what was left, in words. */
  private async stop(): Promise<string | undefined> {
    if (await this.task.stop(CLOSE_MS)) await this.write().catch(() => undefined);
    return this.waiting > 0 ? `${this.waiting} sums` : undefined;
  }
}

function addBytes(sum: TrafficHour, { bytesIn, bytesOut }: Pick<Traffic, 'bytesIn' | 'bytesOut'>): void {
  sum.bytesIn += bytesIn;
  sum.bytesOut += bytesOut;
}

const NOTHING = { requests: 0, blocked: 0, clientErrors: 0, serverErrors: 0, bytesIn: 0, bytesOut: 0 };
const SUMMED = Object.keys(NOTHING) as (keyof typeof NOTHING)[];
