/** What can be in a bag, in one at a time. */
export interface Placed {
  /** Where it is in its bag, which alone sets it; -1: it is in none. */
  place: number;
}

/**
 * A collection without an order, for what comes and goes all the time. A `Set` that is always filled and emptied leaves its former tables behind, each of
 * which leads to the next one: from when V8 has moved one of them to its old space, the collector of young objects takes everything that was in the later
 * ones for alive, and moves it, too (docs/adr/0106).
 */
export class Bag<T extends Placed> {
  private readonly items: T[] = [];

  get size(): number {
    return this.items.length;
  }

  has(item: T): boolean {
    return this.items[item.place] === item;
  }

  /** @param item in no bag yet */
  add(item: T): void {
    item.place = this.items.push(item) - 1;
  }

  /** @returns whether it was in here */
  delete(item: T): boolean {
    if (!this.has(item)) return false;
    const last = this.items.pop()!;
    if (last !== item) {
      this.items[item.place] = last;
      last.place = item.place;
    }
    item.place = -1;
    return true;
  }

  /** What is in here at this moment, whatever comes and goes while it is gone through. */
  values(): T[] {
    return this.items.slice();
  }
}
