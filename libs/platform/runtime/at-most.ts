/**
 * The bound of an `LRUCache` by a number of entries, in place of its `max`: for that it makes room for all of them at once, which was a tenth of a
 * second of a server's start.
 */
export const atMost = (entries: number) => ({ maxSize: entries, sizeCalculation: () => 1 });
