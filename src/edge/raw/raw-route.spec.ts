import { expect, it } from 'vitest';
import { type RawTarget, RawTargets } from './raw-route.js';

const target = (targetId: number, more: Partial<RawTarget> = {}): RawTarget => ({
  targetId,
  siteId: targetId,
  ip: '10.0.0.1',
  port: 22,
  priority: 100,
  unhealthy: false,
  ...more,
});
const always = () => true;

it('targets take turns, and one that did not take the connection is not asked again', () => {
  const targets = new RawTargets([target(1), target(2)]);
  const turns = [1, 2, 3, 4].map(() => targets.choose(always)?.targetId);
  expect(turns).toEqual([1, 2, 1, 2]);
  expect(targets.choose(always, [1])?.targetId).toBe(2);
  expect(targets.choose(always, [1, 2])).toBeUndefined();
});

it('an unhealthy target, and one whose site is away, are passed over', () => {
  const targets = new RawTargets([target(1, { unhealthy: true }), target(2), target(3, { priority: 50 })]);
  expect(targets.choose(always)?.targetId).toBe(2);
  expect(targets.choose((siteId) => siteId !== 2)?.targetId).toBe(3);
  expect(targets.choose((siteId) => siteId === 1)).toBeUndefined();
  expect(new RawTargets([]).choose(always)).toBeUndefined();
});

it('what leads to a target of another address leads nowhere any more', () => {
  const targets = new RawTargets([target(1)]);
  expect(targets.has(target(1, { unhealthy: true, priority: 1 }))).toBe(true);
  for (const other of [{ port: 23 }, { ip: '10.0.0.2' }, { siteId: 9 }])
    expect(targets.has(target(1, other))).toBe(false);
  expect(targets.has(target(2))).toBe(false);
});
