import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { EventType } from '#contracts';
import { invalid, query } from '#platform';
import type { EventView } from './events.dto.js';

interface Position {
  txid: string;
  id: number;
}

/** Reads of the event feed. */
@Injectable()
export class EventsRepository {
  /**
   * Events of the organization with this identity, null: of none, after a cursor, in the order of their transactions. Only those older than the oldest running transaction: whatever commits later
   * comes later in the feed, so a reader never skips it (docs/claims.md rule 11). @throws validation for a cursor that this feed did not make.
   */
  async after(
    em: EntityManager,
    orgUid: string | null,
    cursor: string | undefined,
    limit: number,
    type?: EventType,
  ): Promise<EventView[]> {
    const from = cursor === undefined ? { txid: '0', id: 0 } : parseCursor(cursor);
    const rows = await query<Omit<EventView, 'cursor'> & { txid: string }>(
      em,
      `SELECT event_id AS id, event.txid::text AS txid, type, org_id AS "orgId", site_id AS "siteId", data, created_at AS "createdAt" FROM event
       WHERE ${orgUid === null ? 'org_uid IS NULL AND $1::uuid IS NULL' : 'org_uid = $1'} AND (event.txid, event_id) > ($2::text::xid8, $3) AND event.txid < pg_snapshot_xmin(pg_current_snapshot())
         AND ($4::text IS NULL OR type = $4) ORDER BY event.org_uid, event.txid, event.event_id LIMIT $5`,
      [orgUid, from.txid, from.id, type ?? null, limit],
    );
    return rows.map(({ txid, id, ...event }) => ({ cursor: formatCursor({ txid, id }), id, ...event }));
  }
}

const formatCursor = ({ txid, id }: Position) => Buffer.from(`${txid}.${id}`).toString('base64url');

function parseCursor(cursor: string): Position {
  const [, txid, id] = /^(\d{1,19})\.(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (!txid || !id) throw invalid('after', 'is not a cursor of this feed');
  return { txid, id: Number(id) };
}
