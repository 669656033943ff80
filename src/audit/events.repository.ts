import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { EventType } from '#contracts';
import { query } from '#platform';
import { BEGINNING, formatCursor, type Position, parseCursor } from './event-cursor.js';
import type { EventFilterQuery, EventView } from './events.dto.js';

type EventRow = Omit<EventView, 'cursor'> & { txid: string };

const COLUMNS =
  'event_id AS id, event.txid::text AS txid, type, org_id AS "orgId", site_id AS "siteId", data, created_at AS "createdAt"';

const CONDITIONS: [keyof EventFilterQuery, string][] = [
  ['siteId', 'site_id = ?'],
  ['hardwareId', `data ->> 'hardwareId' = ?`],
  ['address', `data ->> 'address' = ?`],
  ['keyId', `data ->> 'keyId' = ?`],
  ['from', 'created_at >= ?'],
  ['to', 'created_at < ?'],
];

const toEvent = ({ txid, id, ...event }: EventRow): EventView => ({
  cursor: formatCursor({ txid: BigInt(txid), id }),
  id,
  ...event,
});

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
    types?: readonly EventType[],
  ): Promise<EventView[]> {
    const from = cursor === undefined ? BEGINNING : parseCursor(cursor);
    const rows = await query<EventRow>(
      em,
      `SELECT ${COLUMNS} FROM event
       WHERE ${orgUid === null ? 'org_uid IS NULL AND $1::uuid IS NULL' : 'org_uid = $1'} AND (event.txid, event_id) > ($2::text::xid8, $3) AND event.txid < pg_snapshot_xmin(pg_current_snapshot())
         AND ($4::text[] IS NULL OR type = ANY ($4)) ORDER BY event.org_uid, event.txid, event.event_id LIMIT $5`,
      [orgUid, String(from.txid), from.id, types ?? null, limit],
    );
    return rows.map(toEvent);
  }

  /**
   * A page of what the filter lets pass, of these types [all], in the order of the feed or, `desc`, against it. It ends where the feed ends, too.
   * @throws validation for a cursor that this feed did not make.
   */
  async page(
    em: EntityManager,
    orgUid: string | null,
    filter: EventFilterQuery,
    limit: number,
    types?: readonly EventType[],
  ): Promise<EventView[]> {
    const values: unknown[] = [];
    const where = ['event.txid < pg_snapshot_xmin(pg_current_snapshot())'];
    const add = (sql: string, ...given: unknown[]) =>
      where.push(sql.replace(/\?/g, () => `$${values.push(given.shift())}`));
    if (orgUid === null) where.push('org_uid IS NULL');
    else add('org_uid = ?', orgUid);
    if (types) add('type = ANY (?)', types);
    const down = filter.order === 'desc';
    if (filter.after !== undefined) {
      const { txid, id } = parseCursor(filter.after);
      add(`(event.txid, event_id) ${down ? '<' : '>'} (?::text::xid8, ?)`, String(txid), id);
    }
    for (const [name, condition] of CONDITIONS) if (filter[name] !== undefined) add(condition, filter[name]);
    const direction = down ? 'DESC' : 'ASC';
    const rows = await query<EventRow>(
      em,
      `SELECT ${COLUMNS} FROM event WHERE ${where.join(' AND ')}
       ORDER BY event.org_uid ${direction}, event.txid ${direction}, event.event_id ${direction} LIMIT ${limit}`,
      values,
    );
    return rows.map(toEvent);
  }

  /** Where the feed of this identity ends, null: of none: the last of the events that `after` answers now, the beginning when there are none. */
  async end(em: EntityManager, orgUid: string | null): Promise<Position> {
    const [last] = await query<{ txid: string; id: number }>(
      em,
      `SELECT event.txid::text AS txid, event_id AS id FROM event
       WHERE ${orgUid === null ? 'org_uid IS NULL AND $1::uuid IS NULL' : 'org_uid = $1'} AND event.txid < pg_snapshot_xmin(pg_current_snapshot())
       ORDER BY event.org_uid DESC, event.txid DESC, event.event_id DESC LIMIT 1`,
      [orgUid],
    );
    return last ? { txid: BigInt(last.txid), id: last.id } : BEGINNING;
  }
}
