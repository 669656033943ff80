import { describe, expect, it } from 'vitest';
import { backoffSeconds, itemsOfStep, MAX_ATTEMPTS, secondsToNext } from './schedule.js';

describe('the size of a step', () => {
  it.each([
    [null, 25],
    [1000, 25],
    [25, 25],
    [10, 10],
    [1.5, 1],
    [0.1, 1],
  ])('at pace %s is %i', (pace, items) => expect(itemsOfStep(pace, 1)).toBe(items));

  it('is what the handler says, if it does', () => {
    expect([null, 1000, 10].map((pace) => itemsOfStep(pace, 1, 100))).toEqual([100, 100, 10]);
    expect(itemsOfStep(null, 2, 100)).toBe(1);
  });

  it('is one item after a failure, whatever the pace', () => {
    expect([null, 10].map((pace) => itemsOfStep(pace, 2))).toEqual([1, 1]);
  });
});

it('the pace spaces steps by what they did: no more than the pace in any second, whatever its size', () => {
  for (const pace of [0.1, 1, 1.5, 7, 25, 40, 1000]) {
    const items = itemsOfStep(pace, 1);
    expect(items / secondsToNext(pace, items)).toBeCloseTo(pace);
  }
  expect(secondsToNext(10, 3)).toBe(0.3);
  expect(secondsToNext(10, 0)).toBe(0);
  expect(secondsToNext(null, 25)).toBe(0);
});

it('a failing step waits ever longer, a minute at most, and about two minutes in all', () => {
  const waits = Array.from({ length: MAX_ATTEMPTS - 1 }, (_, i) => backoffSeconds(i + 1));
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60]);
});
