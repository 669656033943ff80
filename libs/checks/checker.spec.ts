import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { AgentHealthCheck, AgentHealthResult } from '../contracts/index.js';
import { Checker } from './checker.js';

/** A checker of tcp targets whose time stands still, and whose connections a test makes or fails. */
class Bench {
  readonly found: AgentHealthResult[] = [];
  readonly sleeps: { ms: number; wake: () => void }[] = [];
  readonly dials: { port: number; end: (failure?: string) => Promise<void> }[] = [];
  private readonly draws: number[];
  readonly checker: Checker<AgentHealthCheck>;

  constructor(draws: number[] = [0.5]) {
    this.draws = draws;
    let drawn = 0;
    this.checker = new Checker({
      dial: (_check, { port }) =>
        new Promise((done, failed) => {
          const end = async (failure?: string) => {
            this.dials.splice(this.dials.indexOf(dial), 1);
            if (failure === undefined) done(Object.assign(new EventEmitter(), { destroy() {} }) as unknown as Socket);
            else failed(new Error(failure));
            await turns();
          };
          const dial = { port, end };
          this.dials.push(dial);
        }),
      sleep: (ms, signal) =>
        new Promise((wake, stop) => {
          const sleep = { ms, wake };
          this.sleeps.push(sleep);
          signal.addEventListener('abort', () => {
            const at = this.sleeps.indexOf(sleep);
            if (at >= 0) this.sleeps.splice(at, 1);
            stop(signal.reason);
          });
        }),
      random: () => this.draws[drawn++ % this.draws.length]!,
      found: (result) => this.found.push(result),
    });
  }

  async wake(count = 1): Promise<void> {
    for (const { wake } of this.sleeps.splice(0, count)) wake();
    await turns();
  }
}

/** What promises of the moment lead to has happened. */
const turns = () => new Promise<void>((done) => void setImmediate(() => setImmediate(done)));
const check = (targetId: number, more: Partial<AgentHealthCheck> = {}): AgentHealthCheck => ({
  targetId,
  revision: 1,
  mode: 'tcp',
  host: '10.0.0.1',
  port: targetId,
  ...more,
});
let bench: Bench;
afterEach(() => bench.checker.stop());

it('a thousand checks begin one after the other, and never more than fifty look at once', async () => {
  bench = new Bench(Array.from({ length: 1000 }, (_, i) => i / 1000));
  bench.checker.apply(Array.from({ length: 1000 }, (_, i) => check(i + 1)));
  expect(bench.sleeps.map(({ ms }) => Math.round(ms))).toEqual(Array.from({ length: 1000 }, (_, i) => i * 10));
  await bench.wake(1000);
  for (let done = 0; done < 1000; done++) {
    expect(bench.dials).toHaveLength(Math.min(50, 1000 - done));
    await bench.dials[0]!.end();
  }
  expect(bench.found.map(({ targetId }) => targetId)).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
});

it('intervals follow the health, a tenth more or less', async () => {
  bench = new Bench([0, 1, 0, 0.5]);
  bench.checker.apply([check(1, { interval: 100, unhealthyInterval: 10 })]);
  const pauses: number[] = [];
  for (const failure of [undefined, 'no way', 'no way']) {
    await bench.wake();
    await bench.dials[0]!.end(failure);
    pauses.push(Math.round(bench.sleeps[0]!.ms));
  }
  expect(pauses).toEqual([110_000, 9_000, 10_000]);
});

it('tells what has changed: health, and why it is not good', async () => {
  bench = new Bench();
  bench.checker.apply([check(1)]);
  for (const failure of [undefined, undefined, 'refused', 'refused', 'no route', undefined]) {
    await bench.wake();
    await bench.dials[0]!.end(failure);
  }
  expect(bench.found.map(({ health, error }) => [health, error])).toEqual([
    ['healthy', undefined],
    ['unhealthy', 'refused'],
    ['unhealthy', 'no route'],
    ['healthy', undefined],
  ]);
});

it('goes on with a check under a new revision, and tells it again; one that was changed begins anew, one that is gone ends', async () => {
  bench = new Bench();
  bench.checker.apply([check(1), check(2)]);
  await bench.wake(2);
  await bench.dials[0]!.end();
  await bench.dials[0]!.end('refused');
  bench.found.length = 0;
  bench.checker.apply([check(1, { revision: 2 }), check(2, { revision: 2, port: 22 })]);
  expect(bench.found).toEqual([{ targetId: 1, revision: 2, health: 'healthy' }]);
  expect(bench.checker.results()).toEqual([{ targetId: 1, revision: 2, health: 'healthy' }]);
  expect(bench.sleeps).toHaveLength(2);
  await bench.wake(2);
  expect(bench.dials.map(({ port }) => port)).toEqual([1, 22]);
  bench.checker.apply([check(2, { revision: 2, port: 22 })]);
  await bench.dials[0]!.end('refused');
  await bench.dials[0]!.end();
  expect(bench.found.slice(1)).toEqual([{ targetId: 2, revision: 2, health: 'healthy' }]);
  expect(bench.checker.results()).toHaveLength(1);
});

it('what it cannot check is unknown, and says so', async () => {
  bench = new Bench();
  bench.checker.apply([check(1, { mode: 'icmp' })]);
  await turns();
  const unknown = { targetId: 1, revision: 1, health: 'unknown', error: 'this program cannot check "icmp"' };
  expect([bench.found, bench.checker.results(), bench.sleeps]).toEqual([[unknown], [unknown], []]);
});
