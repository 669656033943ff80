import { Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { execute, query } from '#platform';
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

  /** In the order that was given, without those that are gone. */
  async those(em: EntityManager, orgIds: string[]): Promise<Org[]> {
    const found = new Map((await em.getRepository(Org).findBy({ orgId: In(orgIds) })).map((org) => [org.orgId, org]));
    return orgIds.flatMap((orgId) => found.get(orgId) ?? []);
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
  async lockForDeletion(
    tx: EntityManager,
    orgId: string,
  ): Promise<{ version: number; orgUid: string; closed: boolean } | null> {
    const rows = await query<{ version: number; orgUid: string; closed: boolean }>(
      tx,
      'SELECT version, org_uid AS "orgUid", closed_at IS NOT NULL AS closed FROM org WHERE org_id = $1 FOR UPDATE',
      [orgId],
    );
    return rows[0] ?? null;
  }

  /** @returns false when claims were paused, or not, already. */
  async setClaimsPaused(tx: EntityManager, orgId: string, by: string | null): Promise<boolean> {
    const changed = await execute(
      tx,
      `UPDATE org SET claims_paused_at = CASE WHEN $2::text IS NOT NULL THEN now() END, claims_paused_by = $2
       WHERE org_id = $1 AND (claims_paused_at IS NOT NULL) <> ($2::text IS NOT NULL)`,
      [orgId, by],
    );
    return changed === 1;
  }

  /** @returns false when it was closed, or not, already. */
  async setClosed(tx: EntityManager, orgId: string, by: string | null): Promise<boolean> {
    const changed = await execute(
      tx,
      `UPDATE org SET closed_at = CASE WHEN $2::text IS NOT NULL THEN now() END, closed_by = $2,
         reopened_at = CASE WHEN $2::text IS NULL THEN now() ELSE reopened_at END
       WHERE org_id = $1 AND (closed_at IS NOT NULL) <> ($2::text IS NOT NULL)`,
      [orgId, by],
    );
    return changed === 1;
  }

  async delete(tx: EntityManager, orgId: string): Promise<void> {
    await execute(tx, 'DELETE FROM org WHERE org_id = $1', [orgId]);
  }
}
