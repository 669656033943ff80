import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { EventType } from '#contracts';
import { Db, Drain, execute, PeriodicTask, prepared } from '#platform';

const HINT_AFTER_MS = 100;

export interface NewEvent {
  orgId: string;
  /** Its identity; may be left out by writers that hold a row of the organization. */
  orgUid?: string;
  type: EventType;
  siteId?: number | null;
  data?: Record<string, unknown>;
  /** A field more of `data`: the number that this transaction drew last from that sequence, for a row whose insert travels in the same packet. */
  drawn?: { name: string; from: string };
}

/** The transactional outbox (docs/claims.md rule 11): an event exists exactly when its cause was committed. */
@Injectable()
export class EventsService {
  private readonly hinted = new Set<string>();
  private readonly task = new PeriodicTask(EventsService.name, {
    // Nor is it tried again: readers poll.
    failure: 'Readers could not be told of new events',
    run: () => this.hint(),
  });

  constructor(
    private readonly db: Db,
    drain: Drain,
  ) {
    drain.register('flush', 'hints of events', () => this.task.stop());
  }

  /**
   * Writes events with the transaction. Readers get a hint some 100 ms later, on its own: NOTIFY inside the transaction would make all
   * commits of a busy server wait for each other. A hint that comes before the commit is repaired by the readers' poll.
   */
  async emit(tx: EntityManager, ...events: NewEvent[]): Promise<void> {
    if (events.length === 0) return;
    await prepared(
      tx,
      'events_emit',
      `INSERT INTO event (org_id, org_uid, type, site_id, data)
       SELECT e.org_id, e.org_uid, e.type, e.site_id,
         CASE WHEN e.drawn_from IS NULL THEN e.data ELSE jsonb_build_object(e.drawn_name, currval(e.drawn_from::regclass)) || e.data END
       FROM jsonb_to_recordset($1::jsonb) AS e(org_id text, org_uid uuid, type text, site_id bigint, data jsonb, drawn_name text, drawn_from text)`,
      [
        JSON.stringify(
          events.map((e) => ({
            org_id: e.orgId,
            org_uid: e.orgUid ?? null,
            type: e.type,
            site_id: e.siteId ?? null,
            data: e.data ?? {},
            drawn_name: e.drawn?.name ?? null,
            drawn_from: e.drawn?.from ?? null,
          })),
        ),
      ],
    );
    for (const event of events) this.hinted.add(event.orgId);
    this.task.wake(HINT_AFTER_MS);
  }

  private async hint(): Promise<void> {
    const orgIds = [...this.hinted];
    this.hinted.clear();
    await execute(this.db.manager, `SELECT pg_notify('event_added', o) FROM unnest($1::text[]) AS o`, [orgIds]);
  }
}
