import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { EventType } from '../../libs/contracts/index.js';
import { execute } from '../../libs/platform/index.js';

export interface NewEvent {
  orgId: string;
  type: EventType;
  siteId?: number | null;
  data?: Record<string, unknown>;
}

/** The transactional outbox (claims.md rule 11): an event exists exactly when its cause was committed. */
@Injectable()
export class EventsService {
  async emit(tx: EntityManager, ...events: NewEvent[]): Promise<void> {
    if (events.length === 0) return;
    await execute(
      tx,
      `INSERT INTO event (org_id, type, site_id, data)
       SELECT e.org_id, e.type, e.site_id, e.data
       FROM jsonb_to_recordset($1::jsonb) AS e(org_id text, type text, site_id bigint, data jsonb)`,
      [JSON.stringify(events.map((e) => ({ org_id: e.orgId, type: e.type, site_id: e.siteId ?? null, data: e.data ?? {} })))],
    );
  }
}
