import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Drain, Readiness } from '#platform';
import { DRAIN_BUDGET, type DrainedStage, DrainService } from './drain.service.js';

let drain: Drain;
let readiness: Readiness;
let service: DrainService;
let told: { level: string; stages: DrainedStage[] }[];

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  for (const level of ['log', 'warn'] as const) {
    vi.spyOn(Logger.prototype, level).mockImplementation((message: unknown) => {
      told.push({ level, stages: (message as { stages: DrainedStage[] }).stages });
    });
  }
  drain = new Drain();
  readiness = new Readiness();
  service = new DrainService(drain, readiness);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const rest = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
/** @returns how long the stop took. */
async function stop(): Promise<number> {
  const began = performance.now();
  const stopped = service.beforeApplicationShutdown().then(() => performance.now() - began);
  await vi.runAllTimersAsync();
  return stopped;
}
const stage = (name: string) => told[0]!.stages.find((s) => s.stage === name)!;

describe('a drain', () => {
  it('takes the stages in their order, and the works of a stage together, whoever registered first', async () => {
    const seen: string[] = [];
    const work = (name: string, ms: number) => async () => {
      seen.push(`${name} begins`);
      await rest(ms);
      seen.push(`${name} ends`);
    };
    drain.register('close database', 'pool', work('pool', 10));
    drain.register('tell sessions', 'agents', work('agents', 100));
    drain.register('tell sessions', 'streams', work('streams', 10));
    drain.register('stop accepting', 'agents', work('refuse', 10));
    await stop();
    expect(seen).toEqual([
      'refuse begins',
      'refuse ends',
      'agents begins',
      'streams begins',
      'streams ends',
      'agents ends',
      'pool begins',
      'pool ends',
    ]);
    expect(told[0]!.level).toBe('log');
    expect(stage('tell sessions')).toEqual({ stage: 'tell sessions', ms: 100 });
  });

  it('gives a stage what those before it have not used, and leaves every later one its share', async () => {
    drain.register('finish requests', 'requests', () => rest(60_000));
    let flushed = false;
    drain.register('flush', 'rows', async () => {
      await rest(DRAIN_BUDGET.flush - 1);
      flushed = true;
    });
    const budget = Object.values(DRAIN_BUDGET).reduce((a, b) => a + b);
    expect(await stop()).toBeLessThan(60_000);
    expect(flushed).toBe(true);
    expect(stage('finish requests')).toEqual({
      stage: 'finish requests',
      ms: budget - DRAIN_BUDGET.flush - DRAIN_BUDGET['close database'],
      unfinished: { requests: expect.stringContaining('not done within') as string },
    });
  });

  it('never takes longer than its budget, however much hangs', async () => {
    const budget = Object.values(DRAIN_BUDGET).reduce((a, b) => a + b);
    for (const name of Object.keys(DRAIN_BUDGET))
      drain.register(name as never, 'work', () => new Promise(() => undefined));
    expect(await stop()).toBe(budget);
    expect(told[0]!.stages.every((s) => s.unfinished?.['work'])).toBe(true);
  });

  it('goes on after what fails, and tells what was left', async () => {
    let closed = false;
    drain.register('flush', 'reports', () => {
      throw new Error('no connection');
    });
    drain.register('flush', 'rows', () => '12 rows');
    drain.register('close database', 'pool', () => void (closed = true));
    await stop();
    expect(closed).toBe(true);
    expect(told).toMatchObject([{ level: 'warn' }]);
    expect(stage('flush').unfinished).toEqual({ reports: 'Error: no connection', rows: '12 rows' });
  });

  it('makes the server not ready before its first stage', async () => {
    const states: unknown[] = [];
    drain.register('stop accepting', 'look', async () => {
      states.push(await readiness.ask().catch((error: { code: string }) => error.code));
    });
    expect(await readiness.ask()).toEqual({ drain: 'ok' });
    await stop();
    expect(states).toEqual(['shutting_down']);
  });
});
