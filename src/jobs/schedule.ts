/** Items of one step, unless the handler says otherwise: what others wait for who want the same rows, or to pause the job. */
const STEP_ITEMS = 25;
const FIRST_BACKOFF_S = 1;
const LONGEST_BACKOFF_S = 60;

/** How often a step is tried before its job fails: for two minutes. */
export const MAX_ATTEMPTS = 8;

/**
 * How many items a step may do: no more than a second's worth of the pace, and only one when the step failed before, so that an item that
 * nobody can do stops no other one.
 */
export function itemsOfStep(pace: number | null, attempt: number, most = STEP_ITEMS): number {
  if (attempt > 1) return 1;
  return Math.max(1, Math.min(most, Math.floor(pace ?? most)));
}

/** Seconds from the beginning of a step that did so many items to the next one. */
export function secondsToNext(pace: number | null, items: number): number {
  return pace === null ? 0 : items / pace;
}

/** Seconds until a step is tried again that failed at this attempt, the first being 1. */
export function backoffSeconds(attempt: number): number {
  return Math.min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (attempt - 1));
}
