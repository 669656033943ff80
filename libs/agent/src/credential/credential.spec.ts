import { describe, expect, it } from 'vitest';
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

describe('the life of a credential', () => {
  it('is counted by this clock, whatever it shows', () => {
    const expiresAt = new Date(NOON + 3 * HOUR).toISOString();
    const years = 20 * 365 * 24 * HOUR;
    for (const own of [NOON, NOON - years, NOON + years])
      expect(lifetimeFrom(expiresAt, { server: NOON, own }, 2 / 3)).toEqual({
        expiresAt: new Date(own + 3 * HOUR).toISOString(),
        renewAt: new Date(own + 2 * HOUR).toISOString(),
      });
  });

  it('that is over is renewed at once', () => {
    const { renewAt } = lifetimeFrom(new Date(NOON - HOUR).toISOString(), { server: NOON, own: NOON }, 2 / 3);
    expect(renewAt).toBe(new Date(NOON).toISOString());
  });

  it.each([null, undefined, 'never'])('has no end where the server says %j', (expiresAt) => {
    expect(lifetimeFrom(expiresAt, { server: NOON, own: NOON }, 2 / 3)).toEqual({});
  });
});
