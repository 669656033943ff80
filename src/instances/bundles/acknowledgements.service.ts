import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import type { EntityManager } from 'typeorm';
import type { BundleAck } from '#contracts';
import { Db } from '#platform';
import { EventsService } from '../../audit/index.js';
import { AcknowledgementsRepository, type Spoken } from './acknowledgements.repository.js';
import { BundlesService } from './bundles.service.js';

/** Characters of a reason that are kept. */
const REASON = 500;

const acknowledgements = new Counter({
  name: 'gatehouse_bundle_acks_total',
  help: 'What instances said of versions of their bundles, and whether it was news',
  labelNames: ['state', 'result'],
});

/** What sites say of the versions of their bundles (docs/instances.md §4). */
@Injectable()
export class AcknowledgementsService {
  constructor(
    private readonly db: Db,
    private readonly repository: AcknowledgementsRepository,
    private readonly bundles: BundlesService,
    private readonly events: EventsService,
  ) {}

  /** Takes what is news, and leaves the rest: repeated, overtaken, or of a version or digest that the site never fetched. */
  async take(orgId: string, siteId: number, { version, digest, state, reason }: BundleAck): Promise<void> {
    const said: Spoken = { orgId, siteId, version, digest };
    const isNews =
      state === 'fetched'
        ? await this.repository.fetched(this.db.manager, said)
        : await this.db.tx((tx) => (state === 'applied' ? this.applied(tx, said) : this.failed(tx, said, reason)));
    acknowledgements.inc({ state, result: isNews ? 'taken' : 'ignored' });
  }

  private async applied(tx: EntityManager, said: Spoken): Promise<boolean> {
    const { orgId, siteId, version } = said;
    const changed = await this.repository.applied(tx, said);
    if (!changed && !(await this.repository.appliedOvertaken(tx, said))) return false;
    const data = { version, ...rolloutOf(changed) };
    await this.db.commitWith(tx, [this.events.emit(tx, { type: 'bundle.applied', orgId, siteId, data })]);
    return true;
  }

  private async failed(tx: EntityManager, said: Spoken, given: string | undefined): Promise<boolean> {
    const { orgId, siteId, version } = said;
    const reason = given === undefined ? null : oneLine(given);
    const failed = await this.repository.failed(tx, said, reason);
    if (!failed) return false;
    await this.events.emit(tx, {
      type: 'bundle.failed',
      orgId,
      siteId,
      data: { version, reason, ...rolloutOf(failed) },
    });
    if (failed.rolloutId !== null) await this.bundles.takeBack(tx, orgId, siteId);
    return true;
  }
}

const rolloutOf = (row: { rolloutId: number | null } | undefined) =>
  row && row.rolloutId !== null ? { jobId: row.rolloutId } : {};

/** A machine's words, as one line of bounded length. */
function oneLine(text: string): string {
  const plain = text.replace(/[\s\p{Cc}\p{Bidi_Control}]+/gu, ' ').trim();
  return plain.length > REASON ? `${[...plain].slice(0, REASON).join('')}…` : plain;
}
