import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared } from '#platform';
import type { RevokedEntry } from './revocation-list.js';

/** The stored list of an authority, and what one would hold that was made now. */
export interface ListStanding {
  /** 0: there is none yet. */
  number: number;
  /** In milliseconds; null: there is none yet. */
  age: number | null;
  /** Nothing was revoked, and nothing has expired, since it was made. */
  complete: boolean;
  /** Of what is revoked now. */
  entries: string;
  marks: string;
  now: Date;
}

export interface StoredList {
  number: number;
  der: Buffer;
  madeAt: Date;
}

/** All SQL of revocation lists; triggers of `site_credential` write what is in them (docs/adr/0064). */
@Injectable()
export class RevocationsRepository {
  /** @returns null when there is no such authority */
  async standing(em: EntityManager, caId: string): Promise<ListStanding | null> {
    const [row] = await prepared<ListStanding>(
      em,
      'revocation_list_standing',
      `SELECT coalesce(l.number, 0) AS number, extract(epoch FROM now() - l.made_at)::float8 * 1000 AS age,
         coalesce(l.entries = r.entries AND l.marks = r.marks, false) AS complete, r.entries::text AS entries, r.marks::text AS marks, now() AS now
       FROM device_ca a LEFT JOIN revocation_list l USING (ca_id),
         LATERAL (SELECT count(*) AS entries, coalesce(sum(mark), 0) AS marks FROM certificate_revocation c WHERE c.ca_id = a.ca_id) r
       WHERE a.ca_id = $1`,
      [caId],
    );
    return row ?? null;
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

  /** Follows the list of the number before. @returns false when another server was first */
  async store(
    em: EntityManager,
    caId: string,
    { number, der, madeAt }: StoredList,
    { entries, marks }: Pick<ListStanding, 'entries' | 'marks'>,
  ): Promise<boolean> {
    const stored = await execute(
      em,
      `INSERT INTO revocation_list AS l (ca_id, number, entries, marks, der, made_at) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (ca_id) DO UPDATE SET number = excluded.number, entries = excluded.entries, marks = excluded.marks, der = excluded.der, made_at = excluded.made_at
       WHERE l.number = excluded.number - 1`,
      [caId, number, entries, marks, der, madeAt],
    );
    return stored === 1;
  }
}
