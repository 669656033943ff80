import { describe, expect, it } from 'vitest';
import { counted, type LeaseTime, leaseTaken, type Moment } from './lease-time.js';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 0, 1);
const at = (wall: number, uptime: number, boot = 'a'): Moment => ({ wall, uptime, boot });
const after = (lease: LeaseTime, ...moments: Moment[]) => moments.reduce(counted, lease).elapsed;

describe('the time since a lease', () => {
  const lease = leaseTaken(at(NOW, HOUR), NOW);

  it('is what both clocks show', () => {
    expect(after(lease, at(NOW + 2 * HOUR, 3 * HOUR))).toBe(2 * HOUR);
  });

  it('does not stand still when the wall is set back, in this boot or the next', () => {
    expect(after(lease, at(NOW - 9 * HOUR, 3 * HOUR))).toBe(2 * HOUR);
    expect(after(lease, at(NOW + HOUR, 2 * HOUR), at(NOW - 9 * HOUR, HOUR, 'b'))).toBe(2 * HOUR);
  });

  it('counts what passed while the machine was off, by the wall', () => {
    expect(after(lease, at(NOW + 30 * HOUR, HOUR / 2, 'b'))).toBe(30 * HOUR);
  });

  it('never shrinks', () => {
    expect(after(lease, at(NOW + 30 * HOUR, 2 * HOUR), at(NOW, 2 * HOUR))).toBe(30 * HOUR);
  });

  it('adds up boot by boot on a machine that begins at 1970 each time', () => {
    const without = leaseTaken(at(60_000, 60_000), NOW);
    expect(after(without, at(HOUR, HOUR), at(HOUR, HOUR, 'b'), at(2 * HOUR, 2 * HOUR, 'b'))).toBe(3 * HOUR - 60_000);
  });

  it('is no leap of decades when a clock at 1970 is set right', () => {
    const without = leaseTaken(at(60_000, 60_000), NOW);
    expect(after(without, at(NOW + HOUR, HOUR + 60_000))).toBe(HOUR);
  });

  it('is counted in the running time where the clock stood years ahead and was set right', () => {
    const ahead = leaseTaken(at(NOW + 9000 * HOUR, HOUR), NOW);
    expect(after(ahead, at(NOW + 2 * HOUR, 3 * HOUR))).toBe(2 * HOUR);
  });

  it('is the larger where the wall leaps years ahead', () => {
    expect(after(lease, at(NOW + 9000 * HOUR, 2 * HOUR))).toBe(9000 * HOUR);
  });
});
