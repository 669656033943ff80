import type { QueryClient, QueryKey } from '@tanstack/react-query';
import { concerns, type LiveEvent, pathsOf } from './invalidations';

/** No list is fetched again more often than once in so many milliseconds, whatever happens. */
const EVERY_MS = 1000;

type Init = { params?: { path?: Record<string, unknown> } } | undefined;

/**
 * Marks reads as old when events tell of what they show; those on the page are fetched again. Each at most once a second, and never a second
 * time while the first fetch is under way: a thousand events cost what one costs.
 */
export class Refresher {
  private readonly due = new Map<string, QueryKey>();
  private readonly fetchedAt = new Map<string, number>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly queries: QueryClient) {}

  event(event: LiveEvent): void {
    const paths = pathsOf(event.type);
    if (paths.size === 0) return;
    for (const { queryKey, queryHash } of this.queries.getQueryCache().getAll()) {
      const [method, path, init] = queryKey as [string, string, Init];
      if (method === 'get' && paths.has(path) && concerns(event, init?.params?.path)) this.due.set(queryHash, queryKey);
    }
    this.plan();
  }

  /** Events were missed: everything on the page is fetched again, and the rest when it is shown. */
  everything(): void {
    this.due.clear();
    // A first fetch that is under way is not begun anew, and may have been read before.
    for (const { queryKey, queryHash, state } of this.queries.getQueryCache().getAll())
      if (state.fetchStatus === 'fetching' && state.data === undefined) this.due.set(queryHash, queryKey);
    void this.queries.invalidateQueries();
    this.plan();
  }

  private plan(): void {
    if (this.timer !== undefined || this.due.size === 0) return;
    const now = performance.now();
    const wait = Math.min(
      ...[...this.due.keys()].map((hash) => (this.fetchedAt.get(hash) ?? -EVERY_MS) + EVERY_MS - now),
    );
    this.timer = setTimeout(() => this.refresh(), Math.max(0, wait));
  }

  private refresh(): void {
    this.timer = undefined;
    const now = performance.now();
    for (const [hash, queryKey] of this.due) {
      if (now - (this.fetchedAt.get(hash) ?? -EVERY_MS) < EVERY_MS) continue;
      // What is being fetched may have been read before the event: it is asked for once more when it is done.
      if (this.queries.getQueryCache().get(hash)?.state.fetchStatus === 'fetching') {
        this.fetchedAt.set(hash, now);
        continue;
      }
      this.due.delete(hash);
      this.fetchedAt.set(hash, now);
      void this.queries.invalidateQueries({ queryKey, exact: true });
    }
    for (const hash of this.fetchedAt.keys()) if (!this.queries.getQueryCache().get(hash)) this.fetchedAt.delete(hash);
    this.plan();
  }
}
