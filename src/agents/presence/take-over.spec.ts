import { describe, expect, it } from 'vitest';
import { judge } from './take-over.js';

const now = 1_000_000;
const online = (takeOvers: number[], guardedUntil: number | null = null) => ({
  sessionId: 'a',
  takeOvers,
  guardedUntil,
});

describe('the take-over rule', () => {
  it('lets a session begin where none is registered, whatever happened before', () => {
    expect(judge({ sessionId: null, takeOvers: [now, now, now], guardedUntil: now + 1 }, now)).toBe('begin');
  });

  it('lets the newest win three times within a minute, then keeps the established one', () => {
    expect(judge(online([]), now)).toBe('take_over');
    expect(judge(online([now - 2, now - 1]), now)).toBe('take_over');
    expect(judge(online([now - 3, now - 2, now - 1]), now)).toBe('guard');
  });

  it('forgets take-overs older than a minute', () => {
    expect(judge(online([now - 60_000, now - 2, now - 1]), now)).toBe('take_over');
  });

  it('refuses while the guard stands and judges afresh afterwards', () => {
    expect(judge(online([now - 59_000, now - 58_000, now - 57_000], now + 1), now)).toBe('refuse');
    expect(judge(online([now - 61_000, now - 61_000, now - 61_000], now), now)).toBe('take_over');
  });
});
