import { afterAll, describe, expect, it } from 'vitest';
import { Workers } from '#platform';
import { HardwareIdPatterns } from './hardware-id-patterns.js';

const workers = new Workers();
const patterns = new HardwareIdPatterns(workers);
afterAll(() => workers.onApplicationShutdown());

const matches = async (pattern: string, hardwareId: string) => {
  await patterns.learn('org', pattern);
  return patterns.matches(pattern, hardwareId);
};

describe('hardware id pattern', () => {
  it('is anchored to the whole id', async () => {
    expect(await matches('SN-[0-9]+', 'SN-12')).toBe(true);
    expect(await matches('SN-[0-9]+', 'xSN-12')).toBe(false);
    expect(await matches('SN-[0-9]+', 'SN-12x')).toBe(false);
    expect(await matches('a|b', 'ab')).toBe(false);
  });

  it('compares byte for byte', async () => {
    expect(await matches('AA:BB', 'aa:bb')).toBe(false);
  });

  it('runs a pattern that would hang a backtracking matcher', async () => {
    expect(await matches('(a+)+b', 'a'.repeat(128))).toBe(false);
  });

  it.each(['(', '[a', 'a{5000}', '(?=a)b', '\\1'])('refuses %j, which RE2 cannot compile', async (pattern) => {
    await expect(patterns.assert('org', pattern)).rejects.toThrow(/hardwareIdPattern/);
  });

  it.each(['[0-9A-Fa-f]{128}', '(?:[A-Z0-9]{4}-){8}[A-Z0-9]{4}', `(?:${'SN-[0-9]{2}|'.repeat(20)}x)`, 'x'.repeat(256)])(
    'takes %j',
    async (pattern) => {
      await patterns.assert('org', pattern);
    },
  );

  it.each(['(?:a?b?c?d?e?f?g?h?i?j?k?l?m?n?o?){1000}', '(?:.?){1000}', '(\\pL|\\pN|\\pS){1000}'])(
    'refuses %j, whose program is too large',
    async (pattern) => {
      await expect(patterns.assert('org', pattern)).rejects.toThrow(/program of \d+ instructions/);
    },
  );

  it('a stored one that is too large matches nothing, and is never compiled here', async () => {
    expect(await matches('(?:a?b?c?d?e?f?g?h?i?j?k?l?m?n?o?){1000}', 'abc')).toBe(false);
  });
});
