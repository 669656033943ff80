/** Waiting times in milliseconds. `random` is uniform in [0, 1). */
export type Range = { min: number; max: number };

export const NETWORK_BACKOFF: Range = { min: 1_000, max: 60_000 };
export const REFUSED_CLAIM_BACKOFF: Range = { min: 30_000, max: 15 * 60_000 };
export const REPLACED_WAIT: Range = { min: 60_000, max: 120_000 };
export const THROTTLED_WAIT_MS = 60_000;

/** Exponential backoff with full jitter above the floor: uniform between `min` and a ceiling that doubles with each attempt (0, 1, …). */
export function backoff(range: Range, attempt: number, random: () => number): number {
  const ceiling = Math.min(range.max, range.min * 2 ** Math.min(attempt + 1, 30));
  return uniform({ min: range.min, max: ceiling }, random);
}

export function uniform({ min, max }: Range, random: () => number): number {
  return min + random() * (max - min);
}

/** A server's `Retry-After` is the least to wait; up to a tenth more keeps machines that were answered together apart. */
export function afterAtLeast(ms: number, random: () => number): number {
  return ms * (1 + random() / 10);
}

/** `Retry-After` as seconds or HTTP date, in milliseconds, at most an hour; undefined when absent or not understood. */
export function retryAfterMs(header: string | string[] | undefined, now: number): number | undefined {
  const value = Array.isArray(header) ? header[0] : header;
  if (value === undefined || value.trim() === '') return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 3_600_000) : undefined;
}
