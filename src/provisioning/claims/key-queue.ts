import { unavailable } from '#platform';

/**
 * Transactions on one key take turns within a process: they would wait for the key's row anyway, each on a connection that everybody else
 * needs. What PostgreSQL cannot do for one at the moment it cannot do for those who wait behind it: they are not tried one after the other.
 */
export class KeyQueue {
  private readonly last = new Map<string, Promise<unknown>>();

  /** @throws what `work` threw, or what the one before it did when that is 503. */
  async take<T>(keyId: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(keyId);
    const turn =
      before !== undefined
        ? before.then(work, (error: unknown) => (unavailable(error) ? Promise.reject(error as Error) : work()))
        : work();
    this.last.set(keyId, turn);
    try {
      return await turn;
    } finally {
      if (this.last.get(keyId) === turn) this.last.delete(keyId);
    }
  }
}
