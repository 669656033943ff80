import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';
import type { CreatedBy } from '../../access/index.js';
import { HELD_BACK, KEY_LIMIT } from '../approval-limit.js';
import type { KeyState, KeyView } from './key.dto.js';

const STATE = `CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.disabled_at IS NOT NULL THEN 'disabled'
      WHEN k.expires_at <= now() THEN 'expired' WHEN k.uses >= k.max_uses THEN 'exhausted' ELSE 'active' END`;

const VIEW = `
  SELECT k.key_id AS "siteProvisioningKeyId", k.org_id AS "orgId", k.name, k.last_chars AS "lastChars", k.created_at AS "createdAt",
    k.last_used_at AS "lastUsed", k.max_uses AS "maxBatchSize", k.uses AS "numUsed", k.expires_at AS "validUntil",
    coalesce(k.approve_new_sites, t.approve_new_sites) AS "approveNewSites",
    CASE WHEN k.approve_new_sites IS NULL THEN 'template' ELSE 'key' END AS "approveNewSitesSource",
    CASE WHEN coalesce(k.approve_new_sites, t.approve_new_sites) AND ${HELD_BACK} THEN '${KEY_LIMIT}' END AS "approvalLimit",
    k.template_id AS "templateId", k.one_time AS "oneTime",
    CASE WHEN k.disabled_at IS NULL AND k.revoked_at IS NULL THEN 'active' ELSE 'disabled' END AS status, ${STATE} AS state,
    host(k.last_used_ip) AS "lastUsedIp", k.last_used_at AS "lastUsedAt", host(k.last_used_ip) AS "lastUsedFrom", k.expires_at AS "expiresAt", k.created_by AS "createdBy",
    (SELECT jsonb_agg(jsonb_build_object('generation', g.generation, 'lastChars', g.last_chars,
        'state', CASE WHEN g.retires_at IS NULL THEN 'current' WHEN g.retires_at > now() THEN 'overlapping' ELSE 'retired' END,
        'retiresAt', g.retires_at, 'uses', g.uses, 'lastUsed', g.last_used_at, 'lastUsedIp', host(g.last_used_ip), 'createdAt', g.created_at)
        ORDER BY g.generation) FROM provisioning_key_generation g WHERE g.key_id = k.key_id) AS generations
  FROM provisioning_key k JOIN provisioning_template t USING (template_id)`;

export interface NewKey {
  keyId: string;
  templateId: number | null;
  name: string;
  maxUses: number | null;
  oneTime: boolean;
  expiresAt: Date | null;
  approveNewSites: boolean | null;
  secretHash: Buffer;
  lastChars: string;
  createdBy: CreatedBy;
}

export type KeyChanges = Partial<Pick<NewKey, 'templateId' | 'name' | 'maxUses' | 'expiresAt' | 'approveNewSites'>> & {
  disabled?: boolean;
};

/** All SQL about provisioning keys as operators see them; the claim's own statements are in claims.repository.ts. */
@Injectable()
export class KeysRepository {
  /** @returns false when the template does not exist in this organization; templateId null means the default template. */
  async insert(tx: EntityManager, orgId: string, key: NewKey): Promise<boolean> {
    const added = await execute(
      tx,
      `WITH k AS (
         INSERT INTO provisioning_key (key_id, org_id, template_id, name, last_chars, max_uses, one_time, expires_at, approve_new_sites, created_by)
         SELECT $2, org_id, template_id, $4, $5, $6, $7, $8, $9, $11 FROM provisioning_template
         WHERE org_id = $1 AND ($3::bigint IS NULL AND name = 'default' OR template_id = $3::bigint)
         RETURNING key_id, last_chars)
       INSERT INTO provisioning_key_generation (key_id, generation, secret_hash, last_chars) SELECT key_id, 1, $10, last_chars FROM k`,
      [
        orgId,
        key.keyId,
        key.templateId,
        key.name,
        key.lastChars,
        key.maxUses,
        key.oneTime,
        key.expiresAt,
        key.approveNewSites,
        key.secretHash,
        JSON.stringify(key.createdBy),
      ],
    );
    return added === 1;
  }

  async find(em: EntityManager, orgId: string, keyId: string): Promise<KeyView | undefined> {
    const rows = await query<KeyView>(em, `${VIEW} WHERE k.org_id = $1 AND k.key_id = $2`, [orgId, keyId]);
    return rows[0] && dates(rows[0]);
  }

  async list(
    em: EntityManager,
    orgId: string,
    state: KeyState | undefined,
    limit: number,
    offset: number,
  ): Promise<{ keys: KeyView[]; total: number }> {
    const where = `k.org_id = $1 AND ($2::text IS NULL OR ${STATE} = $2)`;
    const keys = await query<KeyView>(em, `${VIEW} WHERE ${where} ORDER BY k.created_at, k.key_id LIMIT $3 OFFSET $4`, [
      orgId,
      state ?? null,
      limit,
      offset,
    ]);
    const [count] = await query<{ total: number }>(
      em,
      `SELECT count(*) AS total FROM provisioning_key k WHERE ${where}`,
      [orgId, state ?? null],
    );
    return { keys: keys.map(dates), total: count!.total };
  }

  /** Keys behind one, by id. */
  async after(
    em: EntityManager,
    orgId: string,
    state: KeyState | undefined,
    keyId: string | undefined,
    limit: number,
  ): Promise<KeyView[]> {
    const keys = await query<KeyView>(
      em,
      `${VIEW} WHERE k.org_id = $1 AND ($2::text IS NULL OR ${STATE} = $2) AND k.key_id > $3 ORDER BY k.key_id LIMIT $4`,
      [orgId, state ?? null, keyId ?? '', limit],
    );
    return keys.map(dates);
  }

  /** Locks the key so that its claims wait for the change. @returns false when there is none. */
  async lock(
    tx: EntityManager,
    orgId: string,
    keyId: string,
  ): Promise<{ uses: number; revoked: boolean; generation: number; oneTime: boolean } | undefined> {
    const [row] = await query<{ uses: number; revoked: boolean; generation: number; oneTime: boolean }>(
      tx,
      `SELECT uses, revoked_at IS NOT NULL AS revoked, generation, one_time AS "oneTime" FROM provisioning_key WHERE org_id = $1 AND key_id = $2 FOR UPDATE`,
      [orgId, keyId],
    );
    return row;
  }

  async update(tx: EntityManager, orgId: string, keyId: string, changes: KeyChanges): Promise<boolean> {
    const has = (name: keyof KeyChanges) => name in changes && changes[name] !== undefined;
    const updated = await execute(
      tx,
      `UPDATE provisioning_key k SET
         name = CASE WHEN $3::boolean THEN $4::text ELSE name END,
         max_uses = CASE WHEN $5::boolean THEN $6::int ELSE max_uses END,
         expires_at = CASE WHEN $7::boolean THEN $8::timestamptz ELSE expires_at END,
         approve_new_sites = CASE WHEN $9::boolean THEN $10::boolean ELSE approve_new_sites END,
         disabled_at = CASE WHEN NOT $11::boolean THEN disabled_at WHEN $12::boolean THEN coalesce(disabled_at, now()) END,
         template_id = CASE WHEN $13::boolean THEN $14::bigint ELSE template_id END
       WHERE org_id = $1 AND key_id = $2
         AND (NOT $13::boolean OR EXISTS (SELECT FROM provisioning_template t WHERE t.org_id = $1 AND t.template_id = $14::bigint))`,
      [
        orgId,
        keyId,
        has('name'),
        changes.name ?? null,
        has('maxUses'),
        changes.maxUses ?? null,
        has('expiresAt'),
        changes.expiresAt ?? null,
        has('approveNewSites'),
        changes.approveNewSites ?? null,
        has('disabled'),
        changes.disabled ?? null,
        has('templateId'),
        changes.templateId ?? null,
      ],
    );
    return updated === 1;
  }

  /** @returns false when it was revoked already. */
  async revoke(tx: EntityManager, orgId: string, keyId: string): Promise<boolean> {
    const revoked = await execute(
      tx,
      'UPDATE provisioning_key SET revoked_at = now() WHERE org_id = $1 AND key_id = $2 AND revoked_at IS NULL',
      [orgId, keyId],
    );
    return revoked === 1;
  }

  /** A new generation; every earlier one retires when the overlap ends, or sooner if it was to. */
  async rotate(
    tx: EntityManager,
    keyId: string,
    generation: number,
    secretHash: Buffer,
    lastChars: string,
    overlapSeconds: number,
  ): Promise<void> {
    await execute(
      tx,
      `UPDATE provisioning_key_generation SET retires_at = least(coalesce(retires_at, 'infinity'), now() + make_interval(secs => $2)) WHERE key_id = $1`,
      [keyId, overlapSeconds],
    );
    await execute(
      tx,
      'INSERT INTO provisioning_key_generation (key_id, generation, secret_hash, last_chars) VALUES ($1, $2, $3, $4)',
      [keyId, generation, secretHash, lastChars],
    );
    await execute(tx, 'UPDATE provisioning_key SET generation = $2, last_chars = $3 WHERE key_id = $1', [
      keyId,
      generation,
      lastChars,
    ]);
  }

  async delete(tx: EntityManager, orgId: string, keyId: string): Promise<boolean> {
    return (await execute(tx, 'DELETE FROM provisioning_key WHERE org_id = $1 AND key_id = $2', [orgId, keyId])) === 1;
  }

  /** @returns the keys that were issued under it. */
  async deleteOfTemplate(tx: EntityManager, orgId: string, templateId: number): Promise<string[]> {
    const rows = await query<{ keyId: string }>(
      tx,
      'DELETE FROM provisioning_key WHERE org_id = $1 AND template_id = $2 RETURNING key_id AS "keyId"',
      [orgId, templateId],
    );
    return rows.map((row) => row.keyId);
  }

  /** For the guard: the organization of a key. */
  async orgOf(em: EntityManager, keyId: string): Promise<string | undefined> {
    const [row] = await query<{ orgId: string }>(
      em,
      'SELECT org_id AS "orgId" FROM provisioning_key WHERE key_id = $1',
      [keyId],
    );
    return row?.orgId;
  }
}

/** Timestamps inside jsonb arrive as text; the view speaks of instants throughout. */
function dates(view: KeyView): KeyView {
  const at = (value: Date | string | null) => (value === null ? null : new Date(value));
  return {
    ...view,
    generations: view.generations.map((g) => ({
      ...g,
      retiresAt: at(g.retiresAt),
      lastUsed: at(g.lastUsed),
      createdAt: new Date(g.createdAt),
    })),
  };
}
