import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RefusalFloor } from './refusal-floor.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** Refusals by the time at which each arrived and how long it took to find its reason. @returns how long after its arrival each left. */
async function left(floor: RefusalFloor, refusals: [arrived: number, took: number][]): Promise<number[]> {
  const start = Date.now();
  const times = refusals.map(async ([arrived, took]) => {
    await new Promise((resolve) => setTimeout(resolve, arrived + took));
    await floor.hold(start + arrived);
    return Date.now() - start - arrived;
  });
  const all = Promise.all(times);
  await vi.advanceTimersByTimeAsync(60_000);
  return all;
}
const floorOf = (step: number) => new RefusalFloor(step, () => Date.now());

describe('the floor', () => {
  it('is one step while every reason is found within it', async () => {
    expect(
      await left(floorOf(25), [
        [0, 1],
        [3, 20],
        [10, 25],
      ]),
    ).toEqual([25, 25, 25]);
  });

  it('is, for all reasons alike, what the slowest of them needs, in whole steps', async () => {
    const times = await left(floorOf(25), [
      [0, 61],
      [100, 1],
      [100, 30],
      [100, 61],
      [110, 2],
    ]);
    expect(times).toEqual([75, 75, 75, 75, 75]);
  });

  it('holds those that wait while a slower one comes', async () => {
    expect(
      await left(floorOf(25), [
        [0, 1],
        [0, 24],
        [-20, 44],
      ]),
    ).toEqual([50, 50, 50]);
  });

  it('comes down again when no reason is slow any more', async () => {
    const times = await left(floorOf(25), [
      [0, 200],
      [4000, 1],
      [8000, 1],
      [16_000, 1],
      [16_010, 1],
    ]);
    expect(times).toEqual([200, 200, 200, 25, 25]);
  });

  it('keeps nobody beyond two seconds, and nobody at all when it is off', async () => {
    expect(
      await left(floorOf(25), [
        [0, 30_000],
        [30_001, 1],
      ]),
    ).toEqual([30_000, 2000]);
    expect(
      await left(floorOf(0), [
        [0, 7],
        [10, 30],
      ]),
    ).toEqual([7, 30]);
  });
});
