import { Injectable } from '@nestjs/common';
import { type AppError, Config, Db, Drain, RefusalLimiter } from '#platform';
import { AnonymousQuota, AuditService, RefusalRecords } from '../../audit/index.js';
import type { ClaimRefused, ClaimRequest, RefusalReason } from './claim.js';
import { type ClaimRow, ClaimsRepository } from './claims.repository.js';
import { KeyRefusals } from './key-refusals.service.js';
import { RefusalFloor } from './refusal-floor.js';

const PUBLIC_ID = /^spk[-_]([a-z0-9]{1,64})\./;
/** Reasons that need no secret that exists. */
const STRANGE: ReadonlySet<RefusalReason> = new Set(['malformed', 'unknown_key', 'wrong_secret']);

/**
 * The one way out for refused claims (docs/claims.md rule 2): the same answer, no earlier than the floor after arrival, and the private reason
 * recorded afterwards. What names no existing key belongs to no organization, and is one slot for each reason.
 */
@Injectable()
export class Refusals {
  private readonly floor: RefusalFloor;
  private readonly records: RefusalRecords<ClaimRow>;

  constructor(
    config: Config,
    private readonly db: Db,
    private readonly repository: ClaimsRepository,
    private readonly sums: KeyRefusals,
    private readonly audit: AuditService,
    shares: AnonymousQuota,
    private readonly limiter: RefusalLimiter,
    drain: Drain,
  ) {
    this.floor = new RefusalFloor(config.claims.refusalFloorMs);
    this.records = new RefusalRecords(shares, {
      write: (rows) => this.write(rows),
      writeCount: async (sample, count) => {
        const keyId = sample.orgUid === null ? null : sample.keyId;
        const row = { ...sample, keyId, hardwareId: null, sentHardwareId: null, count };
        return this.db.tx(async (tx) => {
          const [claimId] = await this.repository.insert(tx, [row]);
          await this.sums.add(tx, [row]);
          return claimId!;
        });
      },
      addToCount: (claimId, count, sample) =>
        this.db.tx(async (tx) => {
          await this.repository.addToCount(tx, claimId, count);
          await this.sums.add(tx, [{ ...sample, count }]);
        }),
    });
    drain.register('flush', 'refused claims', () => this.records.close());
  }

  /**
   * @param refused null: no key was presented, so nothing was guessed that would be recorded or counted.
   * @param answer the endpoint's uniform refusal.
   * @throws `answer`, or `rate_limited` when this source is refused too often (docs/claims.md rule 10).
   */
  async refuse(
    refused: ClaimRefused | null,
    request: ClaimRequest,
    arrivedAt: number,
    answer: AppError,
  ): Promise<never> {
    const presented = PUBLIC_ID.exec(request.key)?.[1];
    if (refused) this.record(refused, request, presented);
    await this.floor.hold(arrivedAt);
    if (refused) this.limiter.refused(request.address, presented);
    throw answer;
  }

  private record({ reason, about }: ClaimRefused, request: ClaimRequest, presented: string | undefined): void {
    const { orgId, orgUid, keyId, generation, templateId, siteId } = about;
    const row: ClaimRow = {
      orgId: orgId ?? null,
      orgUid: orgUid ?? null,
      keyId: keyId ?? presented ?? null,
      generation: generation ?? null,
      templateId: templateId ?? null,
      siteId: siteId ?? null,
      door: request.door,
      hardwareId: request.hardwareId,
      sentHardwareId: request.sentHardwareId,
      address: request.address,
      outcome: 'refused',
      reason,
    };
    this.records.add({
      slot: `${row.orgUid === null ? '' : row.keyId}\n${reason}`,
      row,
      ...(STRANGE.has(reason) ? { stranger: { address: request.address } } : {}),
    });
  }

  private async write(rows: ClaimRow[]): Promise<void> {
    await this.db.tx(async (tx) => {
      const claimIds = await this.repository.insert(tx, rows);
      await this.sums.add(tx, rows);
      await this.audit.recordMany(
        tx,
        rows.map((row, i) => ({
          principal: {
            authority: { kind: 'provisioningKey' },
            kind: 'agent',
            id: row.hardwareId ?? 'unknown',
            name: 'unknown',
            address: row.address,
          },
          orgId: row.orgId,
          orgUid: row.orgUid,
          action: 'site.claim',
          target: { type: 'claim', id: claimIds[i]! },
          result: 'refused',
          details: { keyId: row.keyId, reason: row.reason, door: row.door },
        })),
      );
    });
  }
}
