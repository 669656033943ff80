import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { type AppError, Config, Db, isDatabaseAway, RefusalLimiter } from '../../../libs/platform/index.js';
import { AuditService } from '../../audit/index.js';
import type { ClaimRefused, ClaimRequest } from './claim.js';
import { type ClaimRow, ClaimsRepository } from './claims.repository.js';
import { RefusalFloor } from './refusal-floor.js';

const QUEUE = 10_000;
const PER_MINUTE = 100;
const FLUSH_MS = 250;
const FLUSH_ROWS = 500;
const PUBLIC_ID = /^spk[-_]([a-z0-9]{1,64})\./;

/** What one key was refused for in one minute; beyond 100 rows the rest is one row with a count. */
interface Minute {
  rows: number;
  overflow: number;
  overflowRow?: number;
  sample: ClaimRow;
}

/**
 * The one way out for refused claims (claims.md rule 2): the same answer, no earlier than the floor after arrival, and the private reason
 * recorded afterwards through a bounded queue.
 */
@Injectable()
export class Refusals implements OnApplicationShutdown {
  private readonly logger = new Logger(Refusals.name);
  private readonly floor: RefusalFloor;
  private readonly minutes = new LRUCache<string, Minute>({ max: QUEUE });
  private queue: ClaimRow[] = [];
  private dropped = 0;
  private flushing: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    config: Config,
    private readonly db: Db,
    private readonly repository: ClaimsRepository,
    private readonly audit: AuditService,
    private readonly limiter: RefusalLimiter,
  ) {
    this.floor = new RefusalFloor(config.claimRefusalFloorMs);
  }

  /**
   * @param answer the door's uniform refusal.
   * @throws `answer`, or `rate_limited` when this source is refused too often (rule 10).
   */
  async refuse(refused: ClaimRefused, request: ClaimRequest, arrivedAt: number, answer: AppError): Promise<never> {
    const presented = PUBLIC_ID.exec(request.key)?.[1];
    this.record(refused, request, presented);
    await this.floor.hold(arrivedAt);
    this.limiter.refused(request.address, presented);
    throw answer;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.flushing;
    clearTimeout(this.timer);
    await this.flush();
  }

  private record(refused: ClaimRefused, request: ClaimRequest, presented: string | undefined): void {
    const { orgId, orgUid, keyId, generation, templateId, siteId } = refused.about;
    const row: ClaimRow = {
      orgId: orgId ?? null, orgUid: orgUid ?? null, keyId: keyId ?? presented ?? null, generation: generation ?? null, templateId: templateId ?? null, siteId: siteId ?? null,
      door: request.door, hardwareId: request.hardwareId, address: request.address, outcome: 'refused', reason: refused.reason,
    };
    const slot = `${row.keyId}\n${row.reason}\n${Math.floor(Date.now() / 60_000)}`;
    const minute = this.minutes.get(slot) ?? { rows: 0, overflow: 0, sample: row };
    this.minutes.set(slot, minute);
    if (minute.rows >= PER_MINUTE) minute.overflow++;
    else if (this.queue.length >= QUEUE) this.dropped++;
    else {
      minute.rows++;
      this.queue.push(row);
    }
    this.timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  private get unwritten(): boolean {
    return this.queue.length > 0 || [...this.minutes.values()].some((minute) => minute.overflow > 0);
  }

  private flush(): Promise<void> {
    this.flushing ??= this.write()
      .catch((error: unknown) => {
        if (!isDatabaseAway(error)) this.logger.error({ err: error }, 'Refused claims could not be recorded');
      })
      .finally(() => {
        this.flushing = undefined;
        this.timer = undefined;
        // Also what came while it wrote: nobody else may come to wake it.
        if (this.unwritten) this.timer = setTimeout(() => void this.flush(), FLUSH_MS).unref();
      });
    return this.flushing;
  }

  private async write(): Promise<void> {
    if (this.dropped > 0) this.logger.warn({ dropped: this.dropped }, 'Refusals came faster than they could be recorded');
    this.dropped = 0;
    const rows = this.queue.slice(0, FLUSH_ROWS);
    if (rows.length > 0) {
      await this.db.tx(async (tx) => {
        const claimIds = await this.repository.insert(tx, rows);
        await this.audit.recordMany(
          tx,
          rows.map((row, i) => ({
            principal: { have: { kind: 'provisioningKey' }, kind: 'agent', id: row.hardwareId ?? 'unknown', name: 'unknown', address: row.address },
            orgId: row.orgId, orgUid: row.orgUid, action: 'site.claim', target: { type: 'claim', id: claimIds[i]! }, result: 'refused',
            details: { keyId: row.keyId, reason: row.reason, door: row.door },
          })),
        );
      });
      this.queue = this.queue.slice(rows.length);
    }
    for (const minute of this.minutes.values()) {
      if (minute.overflow === 0) continue;
      const count = minute.overflow;
      if (minute.overflowRow === undefined) {
        const [id] = await this.repository.insert(this.db.manager, [{ ...minute.sample, hardwareId: null, count }]);
        minute.overflowRow = id!;
      } else await this.repository.addToCount(this.db.manager, minute.overflowRow, count);
      minute.overflow -= count;
    }
  }
}
