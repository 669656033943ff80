import { Injectable, type StreamableFile } from '@nestjs/common';
import { Db, type ExportFormat, Exports, invalid, orgUidOf, type Principal, shapeA, windowOf } from '#platform';
import { AnalyticsRepository, type TrafficSum } from './analytics.repository.js';
import { type LogPlace, LogReadsRepository, type LogTable, type Period } from './log-reads.repository.js';
import type {
  AccessLogList,
  AccessLogQuery,
  AccessLogView,
  DayTraffic,
  LogAnalytics,
  LogAnalyticsQuery,
  RequestLogList,
  RequestLogQuery,
  RequestLogView,
} from './logs.dto.js';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Of which a log is read when nobody says more. */
const PERIOD_MS = 7 * DAY_MS;
const MOST_DAYS = 400;
const MOST_RESOURCES = 100;

/** What people read of the logs (docs/integration-api.md §3.23). */
@Injectable()
export class LogsService {
  constructor(
    private readonly db: Db,
    private readonly reads: LogReadsRepository,
    private readonly sums: AnalyticsRepository,
    private readonly exports: Exports,
  ) {}

  /** @throws validation for an end before the beginning, and for a cursor beside a page */
  async requests(principal: Principal, orgId: string, filter: RequestLogQuery): Promise<RequestLogList> {
    return this.page('request_log', await this.periodOf(principal, orgId, filter), filter);
  }

  /** @throws as `requests` */
  async logins(principal: Principal, orgId: string, filter: AccessLogQuery): Promise<AccessLogList> {
    return this.page('access_log', await this.periodOf(principal, orgId, filter), filter);
  }

  async exportRequests(
    principal: Principal,
    orgId: string,
    filter: RequestLogQuery,
    format: ExportFormat,
  ): Promise<StreamableFile> {
    const columns = { ...FIRST_COLUMNS, ...REQUEST_COLUMNS } as const;
    return this.exports.start<RequestLogView, LogPlace>(orgId, format, {
      ...(await this.source('request_log', principal, orgId, filter)),
      name: 'requests',
      columns,
    });
  }

  async exportLogins(
    principal: Principal,
    orgId: string,
    filter: AccessLogQuery,
    format: ExportFormat,
  ): Promise<StreamableFile> {
    return this.exports.start<AccessLogView, LogPlace>(orgId, format, {
      ...(await this.source('access_log', principal, orgId, filter)),
      name: 'logins',
      columns: { ...FIRST_COLUMNS, type: true },
    });
  }

  /** Of whole hours. @throws validation for an end before the beginning, and for more than 400 days */
  async analytics(principal: Principal, orgId: string, asked: LogAnalyticsQuery): Promise<LogAnalytics> {
    const period = await this.periodOf(principal, orgId, asked);
    const from = new Date(Math.floor(period.from.getTime() / HOUR_MS) * HOUR_MS);
    const to = new Date(Math.ceil(period.to.getTime() / HOUR_MS) * HOUR_MS);
    const days = daysOf(from, to);
    if (days.length > MOST_DAYS) throw invalid('timeStart', `at most ${MOST_DAYS} days: choose a later one`);
    const sums = await this.sums.sums(this.db.manager, { ...period, from, to }, asked.resourceId ?? null);
    const byDay = new Map(sums.flatMap((sum) => (sum.day === null ? [] : [[sum.day, sum]])));
    const requestsPerDay = days.map((day): DayTraffic => ({ day, ...countsOf(byDay.get(day)) }));
    const total = (name: 'totalCount' | 'blockedCount' | 'bytesIn' | 'bytesOut') =>
      requestsPerDay.reduce((sum, day) => sum + day[name], 0);
    return {
      from,
      to,
      totalRequests: total('totalCount'),
      totalBlocked: total('blockedCount'),
      bytesIn: total('bytesIn'),
      bytesOut: total('bytesOut'),
      requestsPerDay,
      requestsPerCountry: sums.flatMap(({ country, totalCount }) =>
        country ? [{ code: country, count: totalCount }] : [],
      ),
      requestsPerResource: sums
        .flatMap((sum) =>
          sum.resourceId === null
            ? []
            : [{ resourceId: sum.resourceId, resourceName: sum.resourceName, ...countsOf(sum) }],
        )
        .slice(0, MOST_RESOURCES),
    };
  }

  private async page<Table extends LogTable>(table: Table, period: Period, filter: RequestLogQuery & AccessLogQuery) {
    const { cursor, ...asked } = filter;
    if (cursor !== undefined && (asked.page !== undefined || asked.offset !== undefined))
      throw invalid('cursor', 'give page, offset or cursor');
    const em = this.db.manager;
    const window = windowOf(asked, 1000);
    const behind = cursor === undefined ? undefined : placeOf(cursor);
    const [log, filterAttributes] = await Promise.all([
      this.reads.list(em, table, period, asked, window, behind),
      this.reads.attributes(em, table, period),
    ]);
    const isLast = log.length < window.limit;
    // The last page from the beginning has counted them.
    const counted = isLast && !behind && (log.length > 0 || window.offset === 0);
    const total = counted ? window.offset + log.length : await this.reads.count(em, table, period, asked);
    const last = log.at(-1);
    return {
      log,
      pagination: shapeA(total, window),
      next: last && !isLast ? `${last.at.getTime()}.${last.id}` : null,
      filterAttributes,
    };
  }

  private async source<Table extends LogTable>(
    table: Table,
    principal: Principal,
    orgId: string,
    filter: RequestLogQuery & AccessLogQuery,
  ) {
    const period = await this.periodOf(principal, orgId, filter);
    return {
      page: (behind: LogPlace | undefined, limit: number) =>
        this.reads.list(this.db.manager, table, period, filter, { limit, offset: 0 }, behind),
      keyOf: ({ at, id }: LogPlace): LogPlace => ({ at, id }),
    };
  }

  private async periodOf(
    principal: Principal,
    orgId: string,
    { timeStart, timeEnd }: { timeStart?: string; timeEnd?: string },
  ): Promise<Period> {
    const to = timeEnd === undefined ? new Date() : new Date(timeEnd);
    const from = timeStart === undefined ? new Date(to.getTime() - PERIOD_MS) : new Date(timeStart);
    if (from >= to) throw invalid('timeStart', 'must be before timeEnd');
    return { orgId, orgUid: await orgUidOf(this.db.manager, principal, orgId), from, to };
  }
}

/** @throws validation for what no page answered */
function placeOf(cursor: string): LogPlace {
  const [, ms, id] = /^(\d{1,14})\.(\d{1,15})$/.exec(cursor) ?? [];
  if (ms === undefined) throw invalid('cursor', 'is not the `next` of a page of this log');
  return { at: new Date(Number(ms)), id: Number(id) };
}

function daysOf(from: Date, to: Date): string[] {
  const first = Math.floor(from.getTime() / DAY_MS);
  const length = Math.min(Math.ceil(to.getTime() / DAY_MS) - first, MOST_DAYS + 1);
  return Array.from({ length }, (_, i) => new Date((first + i) * DAY_MS).toISOString().slice(0, 10));
}

function countsOf(sum: TrafficSum | undefined): Omit<DayTraffic, 'day'> {
  const { totalCount = 0, blockedCount = 0, clientErrors = 0, serverErrors = 0, bytesIn = 0, bytesOut = 0 } = sum ?? {};
  return {
    totalCount,
    allowedCount: totalCount - blockedCount,
    blockedCount,
    clientErrors,
    serverErrors,
    bytesIn,
    bytesOut,
  };
}

const FIRST_COLUMNS = {
  id: true,
  timestamp: true,
  at: true,
  orgId: true,
  requestId: true,
  action: true,
  actorType: true,
  actor: true,
  actorId: true,
  resourceId: true,
  resourceName: true,
  resourceNiceId: true,
  siteResourceId: true,
  ip: true,
  location: true,
  userAgent: true,
  metadata: true,
} as const;

const REQUEST_COLUMNS = {
  reason: true,
  method: true,
  scheme: true,
  host: true,
  path: true,
  query: true,
  originalRequestURL: true,
  tls: true,
  headers: true,
  status: true,
  code: true,
  ruleId: true,
  authentication: true,
  siteId: true,
  targetId: true,
  bytesIn: true,
  bytesOut: true,
  durationMs: true,
} as const;
