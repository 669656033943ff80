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

  /** @returns false when claims were paused, or not, already. */
  async setClaimsPaused(tx: EntityManager, orgId: string, paused: boolean): Promise<boolean> {
    const changed = await execute(
      tx,
      'UPDATE org SET claims_paused_at = CASE WHEN $2::boolean THEN now() END WHERE org_id = $1 AND (claims_paused_at IS NOT NULL) <> $2::boolean',
      [orgId, paused],
    );
    return changed === 1;
  }

  async delete(tx: EntityManager, orgId: string): Promise<void> {
    await execute(tx, 'DELETE FROM org WHERE org_id = $1', [orgId]);
  }
}
