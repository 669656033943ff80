const SAY_EVERY_MS = 15_000;

/** How a start waits: how long at most, and whom it tells. */
export interface StartupRetryOptions {
  ms: number;
  say(text: string): void;
}

/** The start waited for as long as it may. The message is one sentence. */
export class StartupTimeoutError extends Error {
  override readonly name = 'StartupTimeoutError';
}

/** One wait of a start: says what it waits for, at once and again every 15 s, and gives up at its end. */
export class StartupRetry {
  private until: number;
  private saidAt = -Infinity;
  private said = '';

  constructor(private readonly patience: StartupRetryOptions) {
    this.until = performance.now() + patience.ms;
  }

  /** What is waited for is seen to be at work: the patience begins anew. */
  extend(): void {
    this.until = performance.now() + this.patience.ms;
  }

  /** Called before each further attempt; `what` completes "Waiting for …". @throws StartupTimeoutError once the patience is over. */
  goOn(what: string): void {
    const now = performance.now();
    if (now >= this.until)
      throw new StartupTimeoutError(`Gave up after ${Math.round(this.patience.ms / 1000)} s of waiting for ${what}.`);
    if (what === this.said && now < this.saidAt + SAY_EVERY_MS) return;
    this.said = what;
    this.saidAt = now;
    this.patience.say(`Waiting for ${what}.`);
  }
}
