import type { OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { atMost, BatchWriter, type Drain } from '#platform';

/** A use is written at most so often for each credential and process. */
const NOTED_MS = 60_000;
const FLUSH_MS = 1_000;
/** When the server stops. */
const CLOSE_MS = 2_000;

/** That a credential was used, and whence. */
export interface Use {
  id: string;
  address: string | null;
  at: Date;
}

/** When and whence credentials of a kind were last used, to the minute: no request waits for that, or writes by itself. */
export abstract class LastUses implements OnModuleInit {
  private readonly noted = new LRUCache<string, true>({ ...atMost(10_000), ttl: NOTED_MS });
  private readonly writer: BatchWriter<Use>;

  /** @param of what is used, in the plural */
  constructor(
    of: string,
    private readonly drain: Drain,
    write: (uses: Use[]) => Promise<void>,
  ) {
    this.writer = new BatchWriter(this.constructor.name, {
      capacity: 10_000,
      batch: 500,
      everyMs: FLUSH_MS,
      failure: `Uses of ${of} could not be noted`,
      write,
    });
  }

  onModuleInit(): void {
    this.drain.register('flush', this.constructor.name, async () => {
      const left = await this.writer.stop(CLOSE_MS);
      return left > 0 ? `${left} rows` : undefined;
    });
  }

  note(id: string, address: string | null): void {
    if (this.noted.has(id)) return;
    if (this.writer.add({ id, address, at: new Date() })) this.noted.set(id, true);
  }
}
