import { RE2JS } from 're2js';
import { LRUCache } from 'lru-cache';
import { invalid } from '../../libs/platform/index.js';

const compiled = new LRUCache<string, RE2JS>({ max: 1000 });

/** RE2: matching time is linear in the hardware id, whatever the pattern (claims.md rule 9). */
function compile(pattern: string): RE2JS {
  let re = compiled.get(pattern);
  if (!re) compiled.set(pattern, (re = RE2JS.compile(pattern)));
  return re;
}

/** @throws validation when the pattern does not compile (rule 8). */
export function assertPattern(pattern: string): void {
  try {
    compile(pattern);
  } catch (error) {
    throw invalid('hardwareIdPattern', `does not compile as an RE2 pattern: ${(error as Error).message}`);
  }
}

/** The pattern is anchored to the whole id. */
export const matchesPattern = (pattern: string, hardwareId: string): boolean => compile(pattern).matcher(hardwareId).matches();
