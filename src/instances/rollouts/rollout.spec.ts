import { describe, expect, it } from 'vitest';
import { FIRST_STEP, settingsOf, tooManyFailed } from './rollout.js';

describe('settings', () => {
  it.each([
    [{}, 1, { canary: 1, perMinute: 1, stopAtFailurePercent: 5 }],
    [{}, 10_000, { canary: 1, perMinute: 1000, stopAtFailurePercent: 5 }],
    [{}, 0, { canary: 1, perMinute: 1, stopAtFailurePercent: 5 }],
    [{ perMinute: null }, 10_000, { canary: 1, perMinute: null, stopAtFailurePercent: 5 }],
    [{ canary: 0, perMinute: 7, stopAtFailurePercent: 0 }, 50, { canary: 0, perMinute: 7, stopAtFailurePercent: 0 }],
  ])('%j of %i sites', (given, sites, settings) => expect(settingsOf(given, sites)).toEqual(settings));
});

describe('it stops', () => {
  const resumed = (forgiven: { applied: number; failed: number }) => ({ ...FIRST_STEP, forgiven });
  it.each([
    [5, { applied: 0, failed: 0 }, false],
    [5, { applied: 0, failed: 1 }, true],
    [5, { applied: 19, failed: 1 }, false],
    [5, { applied: 18, failed: 1 }, true],
    [0, { applied: 100, failed: 0 }, false],
    [0, { applied: 100, failed: 1 }, true],
    [100, { applied: 0, failed: 100 }, false],
  ])('with a limit of %i %% and %j: %s', (limit, answers, stops) =>
    expect(tooManyFailed(limit, answers, FIRST_STEP) !== undefined).toBe(stops),
  );

  it('for what came after it was resumed, not for what it stopped for before', () => {
    const forgiven = { applied: 18, failed: 1 };
    expect(tooManyFailed(5, { applied: 18, failed: 1 }, resumed(forgiven))).toBeUndefined();
    expect(tooManyFailed(5, { applied: 18, failed: 2 }, resumed(forgiven))).toBe(
      '1 of 1 sites that answered have failed; the limit is 5 %',
    );
    expect(tooManyFailed(5, { applied: 37, failed: 2 }, resumed(forgiven))).toBeUndefined();
    // Another rollout took most of its sites over.
    expect(tooManyFailed(5, { applied: 3, failed: 0 }, resumed(forgiven))).toBeUndefined();
  });
});
