import type { ServerHttp2Stream } from 'node:http2';
import { siteLines } from './hop-wire.js';

/** Sites of one line. */
const AT_ONCE = 1_000;

/** Tells another process which sites have tunnels here: all of them, then what changes, as fast as it reads. */
export class SiteTeller {
  private readonly due: Set<number>;
  private planned = false;

  /** @param siteIds all that have tunnels now */
  constructor(
    private readonly stream: ServerHttp2Stream,
    siteIds: Iterable<number>,
    private readonly isUsable: (siteId: number) => boolean,
  ) {
    this.due = new Set(siteIds);
    stream.on('drain', () => this.tell());
    this.tell();
  }

  /** Of this site something may have changed. */
  note(siteId: number): void {
    this.due.add(siteId);
    if (this.planned) return;
    this.planned = true;
    // What changes together is told together.
    setImmediate(() => {
      this.planned = false;
      this.tell();
    });
  }

  private tell(): void {
    while (this.due.size > 0 && this.stream.writable && !this.stream.writableNeedDrain) {
      const some: number[] = [];
      for (const siteId of this.due) {
        if (some.length === AT_ONCE) break;
        some.push(siteId);
      }
      for (const siteId of some) this.due.delete(siteId);
      this.stream.write(siteLines(some, this.isUsable));
    }
  }
}
