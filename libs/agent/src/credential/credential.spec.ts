import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../../test/support/manual-clock.js';
import { current, lifetimeFrom, lifetimeOf, nextOf, siteOf } from './credential.js';

const NOON = Date.UTC(2026, 0, 1, 12);
const HOUR = 3_600_000;

describe('the state file', () => {
  it('keeps the name of a site while its credentials follow each other', () => {
    const first = current({ id: 'a', secret: '1' }, 'a');
    expect(siteOf(first, 'a')).toBe('a');
    expect(first).toMatchObject({ issued: undefined });
    const second = { ...first, ...current({ id: 'b', secret: '2' }, siteOf(first, 'a')) };
    const third = { ...second, ...current({ id: 'c', secret: '3' }, siteOf(second, 'b')) };
    expect(siteOf(third, 'c')).toBe('a');
    expect(third).toMatchObject({ id: 'c', secret: '3', next: undefined });
  });

  it('knows nothing of a credential that another program has written into it', () => {
    const own = current({ id: 'b', secret: '2', expiresAt: '2026-01-01T00:00:00Z' }, 'a');
    expect(lifetimeOf(own, 'b')).toEqual({ expiresAt: '2026-01-01T00:00:00Z' });
    expect(lifetimeOf({ ...own, id: 'x', secret: 'y' }, 'x')).toEqual({});
    expect(siteOf({ ...own, id: 'x', secret: 'y' }, 'x')).toBe('x');
  });

  it.each([undefined, null, 'b', {}, { id: 'b' }, { id: 'b', secret: '' }, { id: 7, secret: 's' }])(
    'holds no next credential as %j',
    (next) => expect(nextOf({ next })).toBeUndefined(),
  );

  it('holds a next credential, and no times that are none', () => {
    const next = { id: 'b', secret: 's', certificate: 'PEM', expiresAt: '2026-01-01T00:00:00Z' };
    expect(nextOf({ next: { ...next, renewAt: 'soon', more: 1 } })).toEqual(next);
  });
});

/** A machine whose clock shows this, and what it draws. */
function machine(now: number, drawn = 0) {
  const clock = new ManualClock();
  clock.set(now);
  return { clock, random: () => drawn };
}

describe('the life of a credential', () => {
  it('is counted by this clock, whatever it shows', () => {
    const expiresAt = new Date(NOON + 3 * HOUR).toISOString();
    const years = 20 * 365 * 24 * HOUR;
    for (const own of [NOON, NOON - years, NOON + years])
      expect(lifetimeFrom(expiresAt, NOON, machine(own))).toEqual({
        expiresAt: new Date(own + 3 * HOUR).toISOString(),
        renewAt: new Date(own + 2 * HOUR).toISOString(),
      });
  });

  it('is renewed after two thirds, and within a tenth of it after that: a fleet that was claimed together is spread', () => {
    const life = 60 * HOUR;
    const expiresAt = new Date(NOON + life).toISOString();
    const after = [0, 0.25, 0.5, 0.75, 0.999].map(
      (drawn) => Date.parse(lifetimeFrom(expiresAt, NOON, machine(NOON, drawn)).renewAt!) - NOON,
    );
    expect(after[0]).toBe(40 * HOUR);
    for (const [i, at] of after.slice(1).entries()) expect(at - after[i]!).toBeGreaterThan(HOUR);
    expect(after.at(-1)).toBeLessThan(46 * HOUR);
  });

  it('that is over is renewed at once', () => {
    const { renewAt } = lifetimeFrom(new Date(NOON - HOUR).toISOString(), NOON, machine(NOON, 0.9));
    expect(renewAt).toBe(new Date(NOON).toISOString());
  });

  it.each([null, undefined, 'never'])('has no end where the server says %j', (expiresAt) => {
    expect(lifetimeFrom(expiresAt, NOON, machine(NOON))).toEqual({});
  });
});
