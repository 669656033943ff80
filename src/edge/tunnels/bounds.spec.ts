import { expect, it } from 'vitest';
import { Budget, windowFor } from './bounds.js';

it('a budget is spent and fills up with time, to its size and no further', () => {
  let now = 0;
  const budget = new Budget(20, () => now);
  const spend = () => {
    let spent = 0;
    while (budget.take()) spent++;
    return spent;
  };
  expect(spend()).toBe(20);
  now += 100;
  expect(spend()).toBe(2);
  now += 60_000;
  expect(spend()).toBe(20);
});

it.each([
  [0, 1024],
  [9, 1024],
  [10, 256],
  [100, 256],
  [101, 64],
  [4000, 64],
])('with %d streams that nobody reads each may have %d KB on its way', (stalled, kilobytes) => {
  expect(windowFor(stalled)).toBe(kilobytes * 1024);
});
