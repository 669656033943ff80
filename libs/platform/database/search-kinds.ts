import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Action } from '#contracts';
import { likeEscape } from '../http/pagination.dto.js';
import { query } from './db.js';

/** What one search finds of one kind. */
export interface SearchKind {
  kind: string;
  /** What somebody must hold in an organization to find anything of the kind there. */
  action: Action;
  /** Organizations' keys find none, whatever they hold. */
  orgKeys?: false;
  /** SQL: the rows, and of each its organization, id, name and what else is shown of it. */
  from: string;
  org: string;
  id: string;
  name: string;
  note: string;
  /** SQL: the texts that are searched. */
  matches: string[];
}

export interface FoundRow {
  orgId: string;
  id: string;
  name: string;
  note: string | null;
}

/** So many are looked at for the best ones: a text that fits everything costs no more than one that fits a few. */
const LOOKED_AT = 200;

/** Kinds of things that are found by a text, over organizations; modules register theirs. */
@Injectable()
export class SearchKinds {
  readonly all: SearchKind[] = [];

  register(...kinds: SearchKind[]): void {
    this.all.push(...kinds);
  }

  /** At most `limit` of one kind, those first that begin with the text. `orgIds` undefined: of all organizations. */
  find(
    em: EntityManager,
    { from, org, id, name, note, matches }: SearchKind,
    orgIds: string[] | undefined,
    text: string,
    limit: number,
  ): Promise<FoundRow[]> {
    const pattern = likeEscape(text);
    const where = matches.map((match) => `${match} ILIKE $2`).join(' OR ');
    return query<FoundRow>(
      em,
      `SELECT * FROM (
         SELECT ${org} AS "orgId", ${id}::text AS id, ${name} AS name, ${note} AS note FROM ${from}
         WHERE ($1::text[] IS NULL AND ${org} IS NOT NULL OR ${org} = ANY ($1)) AND (${where}) LIMIT ${LOOKED_AT}
       ) f ORDER BY (lower(f.name) = lower($4)) DESC, (f.name ILIKE $3) DESC, f.name, f.id LIMIT $5`,
      [orgIds ?? null, `%${pattern}%`, `${pattern}%`, text, limit],
    );
  }
}
