import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query, type Window } from '#platform';
import { Org } from './org.entity.js';

/** All SQL about organizations themselves. */
@Injectable()
export class OrgsRepository {
  async insert(tx: EntityManager, org: Pick<Org, 'orgId' | 'name' | 'subnet' | 'utilitySubnet'>): Promise<void> {
    await tx.getRepository(Org).insert(org);
  }

  async find(em: EntityManager, orgId: string): Promise<Org | null> {
    return em.getRepository(Org).findOneBy({ orgId });
  }

  async exists(em: EntityManager, orgId: string): Promise<boolean> {
    return (await query(em, 'SELECT 1 AS one FROM org WHERE org_id = $1', [orgId])).length > 0;
  }

  async list(em: EntityManager, window: Window): Promise<[Org[], number]> {
    return em.getRepository(Org).findAndCount({ order: { orgId: 'ASC' }, take: window.limit, skip: window.offset });
  }

  /** Claims go on meanwhile: they hold the organization by its key alone. @returns its version, or null. */
  async lockForUpdate(tx: EntityManager, orgId: string): Promise<number | null> {
    const rows = await query<{ version: number }>(tx, 'SELECT version FROM org WHERE org_id = $1 FOR NO KEY UPDATE', [
      orgId,
    ]);
    return rows[0]?.version ?? null;
  }

  /** `changes` is not empty. */
  async update(tx: EntityManager, orgId: string, changes: Partial<Org>): Promise<void> {
    await tx.getRepository(Org).update({ orgId }, changes);
  }

  /** Claims hold a key-share lock on their organization: from here on none can begin, those that run are waited for. @returns null when there is none. */
  async lockForDeletion(tx: EntityManager, orgId: string): Promise<{ version: number; orgUid: string } | null> {
    const rows = await query<{ version: number; orgUid: string }>(
      tx,
      'SELECT version, org_uid AS "orgUid" FROM org WHERE org_id = $1 FOR UPDATE',
      [orgId],
    );
    return rows[0] ?? null;
  }

  /** Deletes some sites of an organization that goes and tells every server process. @returns how many; 0 when none is left. */
  async deleteSites(tx: EntityManager, orgId: string, atMost: number): Promise<number> {
    const rows = await query(
      tx,
      `WITH gone AS (DELETE FROM site WHERE site_id IN (SELECT site_id FROM site WHERE org_id = $1 ORDER BY site_id LIMIT $2) RETURNING site_id)
       SELECT pg_notify('site_changed', site_id::text) FROM gone`,
      [orgId, atMost],
    );
    return rows.length;
  }

  async delete(tx: EntityManager, orgId: string): Promise<void> {
    await execute(tx, 'DELETE FROM org WHERE org_id = $1', [orgId]);
    await execute(tx, 'DELETE FROM site_count WHERE org_id = $1', [orgId]);
  }
}
