import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Drain, type ServerRole } from '#platform';
import { JobHandlers } from './job-handlers.js';
import { JobWorker } from './job-worker.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A worker on a database of which only the times are there: steps come due, are taken, and do nothing. */
function working(dueAfterMs: number[], roles: ServerRole[] = ['jobs']) {
  const due = dueAfterMs.map((ms) => performance.now() + ms);
  const taken: number[] = [];
  let wake = (): void => undefined;
  const began = performance.now();
  const repository = {
    take: async () => {
      const at = due.findIndex((time) => time <= performance.now());
      if (at < 0) return null;
      due.splice(at, 1);
      taken.push(performance.now() - began);
      return { jobId: 1, orgId: 'a', kind: 'k', lease: 'l', attempt: 1 };
    },
    nextDueMs: async () => (due.length > 0 ? Math.min(...due) - performance.now() : undefined),
    lockForStep: async () => null,
  };
  const db = { manager: {}, tx: (fn: (tx: object) => Promise<void>) => fn({}) };
  const notifications = {
    on: (_channel: string, handler: () => void) => void (wake = handler),
    onReconnected: () => undefined,
  };
  const drain = new Drain();
  const worker = new JobWorker(
    ...([
      db,
      repository,
      new JobHandlers(),
      {},
      {},
      {},
      notifications,
      { cluster: { roles: new Set(roles) } },
      drain,
    ] as unknown as ConstructorParameters<typeof JobWorker>),
  );
  worker.onApplicationBootstrap();
  return { worker, drain, taken, wake: () => wake(), start: (ms: number) => due.push(performance.now() + ms) };
}

it('takes steps when they are due, and not before', async () => {
  const { taken } = working([0, 700, 3000]);
  await vi.advanceTimersByTimeAsync(699);
  expect(taken).toEqual([0]);
  await vi.advanceTimersByTimeAsync(1);
  expect(taken).toEqual([0, 700]);
  await vi.advanceTimersByTimeAsync(2300);
  expect(taken).toEqual([0, 700, 3000]);
});

it('takes what is started at once when it hears of it, and within five seconds when it does not', async () => {
  const { taken, start, wake } = working([]);
  await vi.advanceTimersByTimeAsync(1000);
  start(0);
  wake();
  await vi.advanceTimersByTimeAsync(0);
  expect(taken).toEqual([1000]);
  start(0);
  await vi.advanceTimersByTimeAsync(5000);
  expect(taken).toHaveLength(2);
});

it('does not turn in circles around a step that others hold', async () => {
  const { worker } = working([]);
  let asked = 0;
  Object.assign(worker, {
    repository: {
      take: async () => {
        asked++;
        return null;
      },
      nextDueMs: async () => 0,
    },
  });
  await vi.advanceTimersByTimeAsync(1000);
  // Two lanes, each ten times a second.
  expect(asked).toBeLessThanOrEqual(22);
});

it('takes nothing any more once it stops', async () => {
  const { drain, taken, start, wake } = working([]);
  await vi.advanceTimersByTimeAsync(0);
  for (const { work } of drain.worksOf('stop accepting')) await work();
  start(0);
  wake();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(taken).toEqual([]);
});

it('takes nothing in a process without the role', async () => {
  const { taken, wake } = working([0], ['agents']);
  wake();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(taken).toEqual([]);
});
