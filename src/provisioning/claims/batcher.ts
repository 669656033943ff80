const MAX_BATCH = 128;
const MAX_WAITING = 20_000;

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Items with one key are decided one batch after the other: a batch is what arrived while the previous one was being decided, so a lone
 * item does not wait (docs/adr/0002). The next one begins as soon as a batch says that it is ending: it waits in PostgreSQL for the lock of
 * its key, and goes on without another round trip. A batch that fails is tried again item by item, so that one bad item fails alone.
 */
export class Batcher<Item, Result> {
  private readonly queues = new Map<string, Waiting<Item, Result>[]>();
  private waiting = 0;

  constructor(
    /** `ending`: nothing more is waited for but the answer to the COMMIT. To call it is an offer, not a duty. */
    private readonly decide: (key: string, items: Item[], ending: () => void) => Promise<Result[]>,
    /** Errors that would hit every item alike, such as a lock that was not to be had, are not worth trying again. */
    private readonly hopeless: (error: unknown) => boolean,
  ) {}

  /** Nothing more should be let in: for whoever asks before anything is known of an item, so that the answer tells nothing of it. */
  get isFull(): boolean {
    return this.waiting >= MAX_WAITING;
  }

  /** @throws whatever the decision threw. */
  submit(key: string, item: Item): Promise<Result> {
    this.waiting++;
    return new Promise<Result>((resolve, reject) => {
      const entry = { item, resolve, reject };
      const queue = this.queues.get(key);
      if (queue) queue.push(entry);
      else {
        this.queues.set(key, [entry]);
        void this.drain(key);
      }
    });
  }

  private async drain(key: string): Promise<void> {
    const queue = this.queues.get(key)!;
    while (queue.length > 0) {
      const batch = queue.splice(0, MAX_BATCH);
      await new Promise<void>((ending) => void this.run(key, batch, ending).then(ending));
    }
    this.queues.delete(key);
  }

  private async run(key: string, batch: Waiting<Item, Result>[], ending: () => void): Promise<void> {
    try {
      const results = await this.decide(
        key,
        batch.map((b) => b.item),
        ending,
      );
      this.waiting -= batch.length;
      // The next batch's first statements leave before these answers are written: the database works meanwhile.
      setImmediate(() => batch.forEach((b, i) => b.resolve(results[i]!)));
    } catch (error) {
      if (batch.length > 1 && !this.hopeless(error)) {
        for (const one of batch) await this.run(key, [one], ending);
        return;
      }
      this.waiting -= batch.length;
      for (const b of batch) b.reject(error);
    }
  }
}
