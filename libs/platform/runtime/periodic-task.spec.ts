import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { databaseAway } from '../errors.js';
import { PeriodicTask, type PeriodicWork } from './periodic-task.js';

let logged: unknown[];
beforeEach(() => {
  vi.useFakeTimers();
  logged = [];
  vi.spyOn(Logger.prototype, 'error').mockImplementation((...args: unknown[]) => void logged.push(args[1]));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A task whose rounds take `takes` ms, and the times at which they began. */
function task({ takes = 0, fails = () => undefined, ...work }: Partial<PeriodicWork> & Round = {}) {
  const began: number[] = [];
  const start = performance.now();
  let running = 0;
  const made = new PeriodicTask('Test', {
    failure: 'It failed',
    run: async () => {
      expect(++running).toBe(1);
      began.push(performance.now() - start);
      if (takes > 0) await new Promise((done) => setTimeout(done, takes));
      running--;
      const error = fails(began.length);
      if (error) throw error;
    },
    ...work,
  });
  return { task: made, began };
}

interface Round {
  takes?: number;
  fails?: (round: number) => Error | undefined;
}

describe('rounds', () => {
  it('come one after the other, the next counted from the end of the last', async () => {
    const { task: slow, began } = task({ everyMs: 1000, takes: 2500 });
    slow.wake(500);
    await vi.advanceTimersByTimeAsync(8000);
    expect(began).toEqual([500, 4000, 7500]);
  });

  it('come earlier when the task is woken, and by no second clock', async () => {
    const { task: woken, began } = task({ everyMs: 1000 });
    woken.wake(1000);
    await vi.advanceTimersByTimeAsync(100);
    woken.wake(200);
    woken.wake(500);
    await vi.advanceTimersByTimeAsync(2300);
    expect(began).toEqual([300, 1300, 2300]);
  });

  it('follow at once on one during which the task was woken', async () => {
    const { task: woken, began } = task({ everyMs: 1000, takes: 100 });
    woken.wake();
    await vi.advanceTimersByTimeAsync(50);
    woken.wake();
    await vi.advanceTimersByTimeAsync(500);
    // A timer of 0 ms is one of 1 ms.
    expect(began).toEqual([0, 101]);
  });

  it('rest without a period until the task is woken again', async () => {
    const { task: woken, began } = task();
    woken.wake(10);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([began, vi.getTimerCount()]).toEqual([[10], 0]);
    woken.wake(10);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(began).toEqual([10, 10_010]);
  });

  it('of work that wakes its own task while it runs do not overlap either', async () => {
    const began: string[] = [];
    const own: PeriodicTask = new PeriodicTask('Test', {
      failure: '',
      run: async () => {
        began.push('begin');
        if (began.length < 2) own.wake();
        await new Promise((done) => setTimeout(done, 100));
        began.push('end');
      },
    });
    own.wake();
    await vi.advanceTimersByTimeAsync(1000);
    expect(began).toEqual(['begin', 'end', 'begin', 'end']);
  });
});

describe('failures', () => {
  it('are logged once until a round succeeds, and stop nothing', async () => {
    const { task: failing, began } = task({
      everyMs: 1000,
      fails: (round) => (round === 4 ? undefined : new Error('no')),
    });
    failing.wake(1000);
    await vi.advanceTimersByTimeAsync(6000);
    expect(began).toHaveLength(6);
    expect(logged).toEqual(['It failed', 'It failed']);
  });

  it('are not logged where the database is away, and tried again after a time of their own', async () => {
    const { task: failing, began } = task({ retryMs: 100, fails: (r) => (r < 3 ? databaseAway() : undefined) });
    failing.wake();
    await vi.advanceTimersByTimeAsync(1000);
    expect([began, logged]).toEqual([[0, 100, 200], []]);
  });
});

describe('stop', () => {
  it('waits for the round that runs, and lets no other begin', async () => {
    const { task: stopped, began } = task({ everyMs: 10, takes: 300 });
    stopped.wake();
    await vi.advanceTimersByTimeAsync(100);
    const stop = stopped.stop(500);
    stopped.wake();
    await vi.advanceTimersByTimeAsync(200);
    expect(await stop).toBe(true);
    await vi.advanceTimersByTimeAsync(5000);
    expect([began, vi.getTimerCount()]).toEqual([[0], 0]);
  });

  it('does not wait longer than it is told', async () => {
    const { task: stopped } = task({ takes: 5000 });
    stopped.wake();
    await vi.advanceTimersByTimeAsync(100);
    const stop = stopped.stop(500);
    await vi.advanceTimersByTimeAsync(500);
    expect(await stop).toBe(false);
  });
});

it('keeps no process alive', async () => {
  vi.useRealTimers();
  const unref = vi.spyOn(Object.getPrototypeOf(setTimeout(() => undefined, 0)) as NodeJS.Timeout, 'unref');
  const { task: one } = task();
  one.wake(60_000);
  expect(unref).toHaveBeenCalledOnce();
  await one.stop();
});
