import type { EntityManager } from 'typeorm';
import { query } from '../database/db.js';
import { notFound } from '../errors.js';
import type { Principal } from './route-access.js';

/**
 * The internal identity of the organization that a caller means: the one that the credential was looked up with, or the present one for who
 * belongs to none (root keys, server administrators). Whatever outlives an organization is read by it (ADR 0021). @throws not_found
 */
export async function orgUidOf(em: EntityManager, principal: Principal, orgId: string): Promise<string> {
  const known = principal.orgUids?.get(orgId);
  if (known !== undefined) return known;
  const [row] = await query<{ orgUid: string }>(em, 'SELECT org_uid AS "orgUid" FROM org WHERE org_id = $1', [orgId]);
  if (!row) throw notFound('Organization');
  return row.orgUid;
}
