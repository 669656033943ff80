import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';
import type { RevokedEntry } from './revocation-list.js';

/** Whether somebody should look again what a list lacks. */
export interface ListStanding {
  /** 0: there is none yet. */
  number: number;
  isDue: boolean;
}

/** What is revoked, in short: how many entries, and the sum of what is different in each. */
export interface ListContent {
  entries: string;
  marks: string;
}

/** The stored list of an authority, which nobody else looks at meanwhile. */
export interface TakenList extends ListContent {
  number: number;
  /** In milliseconds. */
  age: number;
  /** False: none could be made, or none was yet. */
  isThere: boolean;
  now: Date;
}

export interface StoredList {
  number: number;
  /** Empty: there are too many entries for a list. */
  der: Buffer;
  madeAt: Date;
}

/** All SQL of revocation lists; triggers of `site_credential` write what is in them (docs/adr/0064). */
@Injectable()
export class RevocationsRepository {
  /** @returns null when there is no such authority */
  async standing(em: EntityManager, caId: string, everySeconds: number): Promise<ListStanding | null> {
    const [row] = await prepared<ListStanding>(
      em,
      'revocation_list_standing',
      `SELECT coalesce(l.number, 0) AS number, coalesce(l.looked_at <= now() - make_interval(secs => $2), true) AS "isDue"
       FROM device_ca a LEFT JOIN revocation_list l USING (ca_id) WHERE a.ca_id = $1`,
      [caId, everySeconds],
    );
    return row ?? null;
  }

  /**
   * Has one transaction of all servers look, until its end. Of the first list of an authority the others wait for that end.
   * @returns null: another one looks, or has just looked
   */
  async take(tx: EntityManager, caId: string, everySeconds: number): Promise<TakenList | null> {
    await execute(
      tx,
      `INSERT INTO revocation_list (ca_id, number, entries, marks, der, made_at)
       SELECT ca_id, 0, 0, 0, '', now() FROM device_ca WHERE ca_id = $1 ON CONFLICT DO NOTHING`,
      [caId],
    );
    const [row] = await query<TakenList>(
      tx,
      `SELECT number, entries::text AS entries, marks::text AS marks, octet_length(der) > 0 AS "isThere",
         extract(epoch FROM now() - made_at)::float8 * 1000 AS age, now() AS now
       FROM revocation_list WHERE ca_id = $1 AND looked_at <= now() - make_interval(secs => $2) FOR UPDATE SKIP LOCKED`,
      [caId, everySeconds],
    );
    return row ?? null;
  }

  /** What a list would hold that is made now. */
  async content(em: EntityManager, caId: string): Promise<ListContent> {
    const [row] = await query<ListContent>(
      em,
      'SELECT count(*)::text AS entries, coalesce(sum(mark), 0)::text AS marks FROM certificate_revocation WHERE ca_id = $1',
      [caId],
    );
    return row!;
  }

  async stored(em: EntityManager, caId: string): Promise<StoredList | null> {
    const [row] = await prepared<StoredList>(
      em,
      'revocation_list_stored',
      'SELECT number, der, made_at AS "madeAt" FROM revocation_list WHERE ca_id = $1',
      [caId],
    );
    return row ?? null;
  }

  /** In the order of serial numbers, after one of them. */
  entries(em: EntityManager, caId: string, after: string, limit: number): Promise<RevokedEntry[]> {
    return prepared<RevokedEntry>(
      em,
      'revocation_list_entries',
      `SELECT serial, reason, revoked_at AS "revokedAt" FROM certificate_revocation WHERE ca_id = $1 AND serial > $2 ORDER BY serial LIMIT $3`,
      [caId, after, limit],
    );
  }

  /** Of the list that was taken. */
  async store(
    tx: EntityManager,
    caId: string,
    { number, der, madeAt }: StoredList,
    { entries, marks }: ListContent,
  ): Promise<void> {
    await execute(
      tx,
      'UPDATE revocation_list SET number = $2, entries = $3, marks = $4, der = $5, made_at = $6, looked_at = now() WHERE ca_id = $1',
      [caId, number, entries, marks, der, madeAt],
    );
  }

  /** The list that was taken lacks nothing. */
  async keep(tx: EntityManager, caId: string): Promise<void> {
    await execute(tx, 'UPDATE revocation_list SET looked_at = now() WHERE ca_id = $1', [caId]);
  }
}
