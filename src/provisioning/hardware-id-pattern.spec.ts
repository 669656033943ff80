import { describe, expect, it } from 'vitest';
import { assertPattern, matchesPattern } from './hardware-id-pattern.js';

describe('hardware id pattern', () => {
  it('is anchored to the whole id', () => {
    expect(matchesPattern('SN-[0-9]+', 'SN-12')).toBe(true);
    expect(matchesPattern('SN-[0-9]+', 'xSN-12')).toBe(false);
    expect(matchesPattern('SN-[0-9]+', 'SN-12x')).toBe(false);
    expect(matchesPattern('a|b', 'ab')).toBe(false);
  });

  it('compares byte for byte', () => {
    expect(matchesPattern('AA:BB', 'aa:bb')).toBe(false);
  });

  it('runs a pattern that would hang a backtracking matcher', () => {
    expect(matchesPattern('(a+)+b', 'a'.repeat(128))).toBe(false);
  });

  it.each(['(', '[a', 'a{5000}', '(?=a)b', '\\1'])('refuses %j, which RE2 cannot compile', (pattern) => {
    expect(() => assertPattern(pattern)).toThrow(/hardwareIdPattern/);
  });
});
