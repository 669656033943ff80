import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';

/** The server that claimed works its own sites off at once; others come after this. */
const HEAD_START = '5 seconds';
/** 5 s, 20 s, 80 s, … and at most an hour between two attempts: some seven hours in all. */
const NEXT = `now() + least(interval '1 hour', interval '5 seconds' * power(4, least(attempts, 10)))`;
const MAX_ATTEMPTS = 12;

/** All SQL about what sites still have to get from their profile's blueprint. */
@Injectable()
export class ProfileBlueprintsRepository {
  /** In the transaction that makes the sites. */
  async owe(tx: EntityManager, siteIds: number[]): Promise<void> {
    await prepared(
      tx,
      'profile-blueprint-owe',
      `INSERT INTO profile_blueprint_due (site_id, due_at) SELECT id, now() + interval '${HEAD_START}' FROM unnest($1::bigint[]) AS u(id)`,
      [siteIds],
    );
  }

  /** Sites that are due, the longest waiting first, each to one server; the attempt counts whatever becomes of it. */
  async take(em: EntityManager, atMost: number): Promise<{ siteId: number; last: boolean }[]> {
    return query(
      em,
      `UPDATE profile_blueprint_due d SET attempts = attempts + 1, due_at = ${NEXT}
       WHERE site_id IN (SELECT site_id FROM profile_blueprint_due WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING site_id AS "siteId", attempts >= ${MAX_ATTEMPTS} AS last`,
      [atMost],
    );
  }

  async settle(em: EntityManager, siteId: number): Promise<void> {
    await execute(em, 'DELETE FROM profile_blueprint_due WHERE site_id = $1', [siteId]);
  }

  /** What a site is to get, or undefined: it has it, or there is nothing, or it is gone. */
  async dueOf(em: EntityManager, siteId: number): Promise<{ orgId: string; blueprint: string } | undefined> {
    const [due] = await query<{ orgId: string; blueprint: string }>(
      em,
      `SELECT s.org_id AS "orgId", p.blueprint FROM site s JOIN provisioning_template t ON t.template_id = s.template_id JOIN provisioning_profile p ON p.profile_id = t.profile_id
       WHERE s.site_id = $1 AND p.blueprint IS NOT NULL AND NOT EXISTS (SELECT FROM blueprint_source b WHERE b.site_id = s.site_id AND b.kind = 'profile')`,
      [siteId],
    );
    return due;
  }
}
