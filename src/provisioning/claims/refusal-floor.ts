const REMEMBERED_MS = 5000;
/** What no caller waits beyond, however slow the database is. */
const AT_MOST_MS = 2000;

/**
 * When refusals leave (docs/claims.md rule 2). Some reasons are found sooner than others, and under load they would be told apart by it: so all
 * leave as late after their arrival as the slowest refusal of the last seconds, in whole steps of the floor. On a timer; nothing else is held.
 */
export class RefusalFloor {
  /** The slowest of this span and of the one before. */
  private slowest = 0;
  private before = 0;
  private spanEnds = 0;

  /** `stepMs` 0: refusals leave at once. */
  constructor(
    private readonly stepMs: number,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  /** Resolves when a refusal that arrived then may leave. */
  async hold(arrivedAt: number): Promise<void> {
    this.learn(this.clock() - arrivedAt);
    // Timers fire up to a millisecond early, and a slower one may have come meanwhile: look again.
    for (let wait = this.after(arrivedAt); wait > 0; wait = this.after(arrivedAt))
      await new Promise((resolve) => setTimeout(resolve, Math.ceil(wait)));
  }

  private after(arrivedAt: number): number {
    if (this.stepMs === 0) return 0;
    const slowest = Math.min(Math.max(this.slowest, this.before), AT_MOST_MS);
    return arrivedAt + Math.max(1, Math.ceil(slowest / this.stepMs)) * this.stepMs - this.clock();
  }

  private learn(took: number): void {
    const now = this.clock();
    if (now >= this.spanEnds) {
      this.before = now >= this.spanEnds + REMEMBERED_MS ? 0 : this.slowest;
      this.slowest = 0;
      this.spanEnds = now + REMEMBERED_MS;
    }
    this.slowest = Math.max(this.slowest, took);
  }
}
