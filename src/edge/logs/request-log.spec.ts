import { Logger } from '@nestjs/common';
import { register } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Db, Drain, databaseAway } from '#platform';
import { requestEntry } from '../../../test/support/request-entries.js';
import type { LoggedRequest, LogRow, LogWritesRepository } from './log-writes.repository.js';
import { RequestLog } from './request-log.js';
import type { TrafficCounters } from './traffic-counters.js';

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A log before a database that takes rows as `add` says, and what was added up beside it. */
function logBefore(add: (rows: LogRow[]) => Promise<void>) {
  const counted: LoggedRequest[] = [];
  const drain = new Drain();
  const log = new RequestLog(
    { manager: {} } as Db,
    drain,
    { addRequests: (_: unknown, rows: LogRow[]) => add(rows) } as unknown as LogWritesRepository,
    { addRequest: (row: LoggedRequest) => void counted.push(row) } as unknown as TrafficCounters,
  );
  log.onModuleInit();
  return { log, drain, counted };
}

const metric = async (name: string): Promise<number> => {
  const { values } = (await register.getSingleMetric(name)!.get()) as {
    values: { value: number; labels: { log?: string } }[];
  };
  return values.find(({ labels }) => labels.log === 'request')?.value ?? 0;
};

describe('a request that is over', () => {
  it('is written with others, half a second later, in one statement at a time', async () => {
    const written: number[] = [];
    let running = 0;
    let most = 0;
    const { log } = logBefore(async (rows) => {
      most = Math.max(most, ++running);
      await new Promise((done) => setTimeout(done, 1000));
      running--;
      written.push(rows.length);
    });
    for (let i = 0; i < 5000; i++) log.record(requestEntry());
    expect(written).toEqual([]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([written, most]).toEqual([[2000, 2000, 1000], 1]);
  });

  it('finds no room while the database is away: it is dropped and counted, and its bytes are added up all the same', async () => {
    let away = true;
    const written: string[] = [];
    const { log, counted } = logBefore(async (rows) => {
      if (away) throw databaseAway();
      written.push(...rows.map(({ text }) => /\t(\/\d+)\t/.exec(text)![1]!));
    });
    for (let i = 0; i < 50_010; i++) log.record(requestEntry({ path: `/${i}` }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect([await metric('gatehouse_log_queue_rows'), await metric('gatehouse_log_dropped_rows_total')]).toEqual([
      50_000, 10,
    ]);
    expect(counted).toHaveLength(50_010);
    away = false;
    await vi.advanceTimersByTimeAsync(20_000);
    expect([written.length, written[0], written.at(-1), await metric('gatehouse_log_queue_rows')]).toEqual([
      50_000,
      '/0',
      '/49999',
      0,
    ]);
  });

  it('finds no room either where those that wait are long, however they came to be', async () => {
    const { log } = logBefore(() => Promise.reject(databaseAway()));
    const long = 'x'.repeat(8000);
    for (let i = 0; i < 20_000; i++)
      log.record(requestEntry({ path: `/${long}?${long}=1`, userAgent: long, host: long }));
    expect(await metric('gatehouse_log_queue_rows')).toBeLessThan(19_000);
    expect(await metric('gatehouse_log_dropped_rows_total')).toBeGreaterThan(1_000);
  });

  it('is cut to what somebody reads, without values of its query', async () => {
    const written: LogRow[] = [];
    const { log } = logBefore(async (rows) => void written.push(...rows));
    log.record(requestEntry({ path: `/${'p'.repeat(2000)}?token=${'s'.repeat(2000)}`, userAgent: 'u'.repeat(2000) }));
    await vi.advanceTimersByTimeAsync(500);
    const fields = written[0]!.text.split('\t');
    expect(fields.slice(8, 10)).toEqual([`/${'p'.repeat(1023)}…`, 'token=*']);
    expect(fields[22]).toBe(`${'u'.repeat(300)}…`);
  });

  it('of nobody is measured only', async () => {
    const written: LogRow[] = [];
    const { log, counted } = logBefore(async (rows) => void written.push(...rows));
    const measured = async () =>
      (
        (await register.getSingleMetric('gatehouse_edge_requests_total')!.get()) as {
          values: { value: number; labels: { status?: string; code?: string } }[];
        }
      ).values.find(({ labels }) => labels.status === '4xx' && labels.code === 'unknown_host')?.value ?? 0;
    const before = await measured();
    log.record(requestEntry({ orgId: null, resourceId: null, status: 404, code: 'unknown_host' }));
    await vi.advanceTimersByTimeAsync(5000);
    expect([written, counted, (await measured()) - before]).toEqual([[], [], 1]);
  });

  it('never throws at who answered it', () => {
    const { log } = logBefore(async () => undefined);
    expect(() => log.record(requestEntry({ path: undefined as unknown as string }))).not.toThrow();
    expect(Logger.prototype.error).toHaveBeenCalledOnce();
  });
});

it('what waits is written when the server stops', async () => {
  const written: LogRow[] = [];
  const { log, drain } = logBefore(async (rows) => void written.push(...rows));
  for (let i = 0; i < 3; i++) log.record(requestEntry());
  const [flush] = drain.worksOf('flush');
  expect([await flush!.work(), written.length]).toEqual([undefined, 3]);
});
