import { describe, expect, it } from 'vitest';
import { endsOf, standingOf } from './credential-standing.js';

const at = (endsIn: number | null, expiresIn: number | null, renewableFor: number | null, later = 0) =>
  standingOf(endsOf({ endsIn, expiresIn, renewableFor }, 1000), 1000 + later);

describe('what a credential is good for', () => {
  it('is everything as long as it has not ended', () => {
    expect(at(null, null, null, 1e12)).toBe('usable');
    expect(at(10, 10, 20, 9)).toBe('usable');
  });

  it('changes with time, the row remembered as it was', () => {
    expect([9, 10, 19, 20].map((later) => at(null, 10, 20, later))).toEqual(['usable', 'expired', 'expired', 'over']);
    expect([9, 10].map((later) => at(10, null, null, later))).toEqual(['usable', 'superseded']);
  });

  it('is nothing for what was superseded, whether it has expired as well or not', () => {
    expect(at(10, 5, 100, 7)).toBe('expired');
    expect(at(10, 5, 100, 10)).toBe('superseded');
    expect(at(10, 5, 8, 9)).toBe('over');
  });

  it('ends at once without a grace or an overlap', () => {
    expect(at(null, 10, 10, 10)).toBe('over');
    expect(at(0, null, null)).toBe('superseded');
  });
});
