import { AppError } from '../errors.js';

export interface QueueBounds {
  running: number;
  waitingPerSource: number;
  waiting: number;
  /** What is said to who is turned away. */
  refusal: string;
}

/** For whom something is done. Nothing of it may depend on what only the database knows: who waits how long must not tell it. */
export interface Turn {
  /** Sources take turns: an address, an organization. */
  source: string;
  /** Names of one source take turns: who logs in from one address. */
  name?: string;
  /** Waits as long as it takes, outside all bounds: for work that is bounded by who asks for it. */
  patient?: boolean;
}

interface Waiting {
  wake: () => void;
  turnAway: () => void;
}

class Source {
  /** Insertion order is the order of turns. */
  readonly names = new Map<string, Waiting[]>();
  length = 0;

  constructor(readonly patient: boolean) {}

  lengthOf(name: string): number {
    return this.names.get(name)?.length ?? 0;
  }

  add(name: string, entry: Waiting): void {
    const entries = this.names.get(name);
    if (entries) entries.push(entry);
    else this.names.set(name, [entry]);
    this.length++;
  }

  next(): Waiting {
    const [name, entries] = this.names.entries().next().value!;
    const entry = entries.shift()!;
    this.names.delete(name);
    if (entries.length > 0) this.names.set(name, entries);
    this.length--;
    return entry;
  }

  longestName(): string {
    return [...this.names].reduce((longest, one) => (one[1].length > longest[1].length ? one : longest))[0];
  }

  dropNewest(name: string): void {
    const entries = this.names.get(name)!;
    const entry = entries.pop()!;
    if (entries.length === 0) this.names.delete(name);
    this.length--;
    entry.turnAway();
  }
}

/**
 * Costly work, a bounded number of pieces at a time, of a bounded number that wait. Sources take turns, and within a source names, so that a
 * flood delays others by one piece instead of by its own length. When all places are taken, the newest entry of whoever has most of them goes
 * away for one who has less: to shut out others one needs as many sources as there are places.
 */
export class FairQueue {
  private running = 0;
  private waiting = 0;
  private readonly sources = new Map<string, Source>();

  constructor(private readonly bounds: QueueBounds) {}

  /** @throws capacity when too many wait who have no more places than this one. */
  async run<T>(turn: Turn, work: () => Promise<T>): Promise<T> {
    if (this.running >= this.bounds.running) await this.wait(turn);
    else this.running++;
    try {
      return await work();
    } finally {
      if (!this.wakeNext()) this.running--;
    }
  }

  private wait({ source: key, name = '', patient = false }: Turn): Promise<void> {
    const source = this.sources.get(key) ?? new Source(patient);
    if (!patient) this.displace(source, name);
    return new Promise((wake, reject) => {
      source.add(name, { wake, turnAway: () => reject(this.tooMany()) });
      this.sources.set(key, source);
      if (!patient) this.waiting++;
    });
  }

  private displace(source: Source, name: string): void {
    if (source.length >= this.bounds.waitingPerSource) {
      const longest = source.longestName();
      if (source.lengthOf(longest) <= source.lengthOf(name) + 1) throw this.tooMany();
      this.drop(source, longest);
    } else if (this.waiting >= this.bounds.waiting) {
      const longest = [...this.sources.values()]
        .filter(({ patient }) => !patient)
        .reduce((one, other) => (other.length > one.length ? other : one));
      // With only one more than this one has, they would change places for ever.
      if (longest.length <= source.length + 1) throw this.tooMany();
      this.drop(longest, longest.longestName());
    }
  }

  private drop(source: Source, name: string): void {
    source.dropNewest(name);
    this.waiting--;
  }

  /** Hands the place of a finished one on. @returns false when nobody waits. */
  private wakeNext(): boolean {
    const [next] = this.sources;
    if (!next) return false;
    const [key, source] = next;
    this.sources.delete(key);
    const entry = source.next();
    if (source.length > 0) this.sources.set(key, source);
    if (!source.patient) this.waiting--;
    entry.wake();
    return true;
  }

  private tooMany(): AppError {
    return new AppError('capacity', this.bounds.refusal, { retryAfter: 5 });
  }
}
