import { Injectable, type OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { BatchWriter, Db, Drain } from '#platform';
import { ApiKeysRepository, type KeyUse } from './api-keys.repository.js';

/** A use is written at most so often for each key and process. */
const NOTED_MS = 60_000;
const FLUSH_MS = 1_000;
/** When the server stops. */
const CLOSE_MS = 2_000;

/** When and whence API keys were last used, to the minute: no request waits for that, or writes by itself. */
@Injectable()
export class ApiKeyUses implements OnModuleInit {
  private readonly noted = new LRUCache<string, true>({ max: 10_000, ttl: NOTED_MS });
  private readonly writer: BatchWriter<KeyUse>;

  constructor(
    private readonly db: Db,
    private readonly repository: ApiKeysRepository,
    private readonly drain: Drain,
  ) {
    this.writer = new BatchWriter(ApiKeyUses.name, {
      capacity: 10_000,
      batch: 500,
      everyMs: FLUSH_MS,
      failure: 'Uses of API keys could not be noted',
      write: (uses) => this.repository.used(this.db.manager, uses),
    });
  }

  onModuleInit(): void {
    this.drain.register('flush', ApiKeyUses.name, async () => {
      const left = await this.writer.stop(CLOSE_MS);
      return left > 0 ? `${left} rows` : undefined;
    });
  }

  note(apiKeyId: string, address: string | null): void {
    if (this.noted.has(apiKeyId)) return;
    if (this.writer.add({ apiKeyId, address, at: new Date() })) this.noted.set(apiKeyId, true);
  }
}
