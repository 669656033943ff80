import { describe, expect, it } from 'vitest';
import { Duel } from './duel.js';
import type { SessionEnd } from './session.js';

const end = (kind: SessionEnd['kind'], lastedMs?: number): SessionEnd => ({
  kind,
  detail: '',
  reason: '',
  ...(lastedMs === undefined ? {} : { lastedMs }),
});
const rounds = (...ends: SessionEnd[]) => {
  const duel = new Duel();
  return ends.map((one) => duel.lost(one));
};

describe('a duel', () => {
  it('is lost by who was sent away five times in a row', () => {
    const ends = [end('replaced', 60_000), end('throttled'), end('replaced', 1), end('throttled'), end('replaced', 1)];
    expect(rounds(...ends)).toEqual([false, false, false, false, true]);
  });

  it.each([end('lost', 1), end('replaced', 600_000)])('is none with %j in between', (between) => {
    const away = [end('replaced', 1), end('replaced', 1), end('replaced', 1), end('replaced', 1)];
    expect(rounds(...away, between, ...away)).not.toContain(true);
  });
});
