import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DatabaseHealth } from '#platform';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { until } from '../support/server.js';

let database: TestDatabase;
let proxy: DatabaseProxy;
let health: DatabaseHealth;
beforeEach(async () => {
  database = await createTestDatabase();
  proxy = await DatabaseProxy.start(database.url);
  // Its rounds come when the test says so; everything else takes the time that it takes.
  vi.useFakeTimers({ toFake: ['setInterval'] });
  health = new DatabaseHealth(proxy.url);
});
afterEach(async () => {
  vi.useRealTimers();
  await health.onApplicationShutdown();
  await proxy.stop();
  await database.drop();
});
const rounds = (n: number) => vi.advanceTimersByTime(n * 1000);

it('a late answer makes nobody away; requests go on waiting for it', async () => {
  expect(await health.check()).toBe(true);
  proxy.hold();
  rounds(10);
  expect(health.isAway).toBe(false);
  expect(health.silentFor).toBe(9);
  proxy.release();
  expect(await health.check()).toBe(true);
  expect(health.silentFor).toBe(0);
  // Every silence is counted from its own beginning.
  proxy.hold();
  rounds(10);
  expect(health.isAway).toBe(false);
  expect(await health.check()).toBe(true);
});

it('a database that says nothing for ten rounds is away, and back with its first answer', async () => {
  expect(await health.check()).toBe(true);
  proxy.hold();
  rounds(11);
  expect(health.isAway).toBe(true);
  expect(await health.check()).toBe(false);
  proxy.release();
  await until(() => health.check());
});

it('one that refuses is away at once, and one that ends connections only while it does not take new ones', async () => {
  expect(await health.check()).toBe(true);
  await proxy.cut();
  await until(async () => !(await health.check()));
  await proxy.restore();
  await until(() => health.check());
  expect(health.isAway).toBe(false);
});

it('one that ended its connections and takes new ones was never away', async () => {
  expect(await health.check()).toBe(true);
  await proxy.cut();
  await proxy.restore();
  expect(await health.check()).toBe(true);
  expect(health.isAway).toBe(false);
});
