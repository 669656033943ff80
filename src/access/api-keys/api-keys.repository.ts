import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull, MoreThan } from 'typeorm';
import { execute, prepared, type Window } from '#platform';
import type { Use } from '../last-uses.js';
import { ApiKey } from './api-key.entity.js';

export interface StoredKey {
  orgId: string | null;
  orgUid: string | null;
  name: string;
  secretHash: Buffer;
  actions: string[];
  expiresAt: Date | null;
}

/** All SQL about API keys. */
@Injectable()
export class ApiKeysRepository {
  /** The hot path: one statement by primary key. */
  async find(em: EntityManager, apiKeyId: string): Promise<StoredKey | null> {
    const rows = await prepared<StoredKey>(
      em,
      'api_key_find',
      `SELECT k.org_id AS "orgId", o.org_uid AS "orgUid", k.name, k.secret_hash AS "secretHash", k.actions, k.expires_at AS "expiresAt"
       FROM api_key k LEFT JOIN org o USING (org_id) WHERE k.api_key_id = $1`,
      [apiKeyId],
    );
    return rows[0] ?? null;
  }

  async orgOf(em: EntityManager, apiKeyId: string): Promise<string | null> {
    return (await this.find(em, apiKeyId))?.orgId ?? null;
  }

  async insert(
    em: EntityManager,
    key: Omit<ApiKey, 'createdAt' | 'actions' | 'lastUsedAt' | 'lastUsedAddress'>,
  ): Promise<Date> {
    const inserted = await em.getRepository(ApiKey).insert(key);
    return (inserted.generatedMaps[0] as { createdAt: Date }).createdAt;
  }

  /** `orgId` null: the root keys. */
  async list(em: EntityManager, orgId: string | null, window: Window): Promise<[ApiKey[], number]> {
    return em.getRepository(ApiKey).findAndCount({
      where: { orgId: orgId ?? IsNull() },
      order: { createdAt: 'ASC', apiKeyId: 'ASC' },
      take: window.limit,
      skip: window.offset,
    });
  }

  /** Those of an organization behind one, by id. */
  async after(em: EntityManager, orgId: string, apiKeyId: string | undefined, limit: number): Promise<ApiKey[]> {
    return em.getRepository(ApiKey).find({
      where: { orgId, apiKeyId: MoreThan(apiKeyId ?? '') },
      order: { apiKeyId: 'ASC' },
      take: limit,
    });
  }

  async read(em: EntityManager, orgId: string, apiKeyId: string): Promise<ApiKey | null> {
    return em.getRepository(ApiKey).findOneBy({ orgId, apiKeyId });
  }

  async actionsOf(em: EntityManager, orgId: string, apiKeyId: string): Promise<string[] | null> {
    return (await this.read(em, orgId, apiKeyId))?.actions ?? null;
  }

  async setActions(em: EntityManager, orgId: string, apiKeyId: string, actions: string[]): Promise<boolean> {
    return (
      (await execute(em, 'UPDATE api_key SET actions = $3 WHERE org_id = $1 AND api_key_id = $2', [
        orgId,
        apiKeyId,
        actions,
      ])) === 1
    );
  }

  /** Of several uses of one key the last one counts, and none goes back behind what another server wrote. */
  async used(em: EntityManager, uses: Use[]): Promise<void> {
    await execute(
      em,
      `WITH u AS (SELECT DISTINCT ON (id) * FROM unnest($1::text[], $2::inet[], $3::timestamptz[]) AS u(id, address, at) ORDER BY id, at DESC),
         held AS (SELECT k.api_key_id FROM api_key k JOIN u ON u.id = k.api_key_id ORDER BY 1 FOR NO KEY UPDATE OF k)
       UPDATE api_key k SET last_used_at = u.at, last_used_address = u.address FROM u JOIN held ON held.api_key_id = u.id
       WHERE k.api_key_id = u.id AND coalesce(k.last_used_at < u.at, true)`,
      [uses.map((u) => u.id), uses.map((u) => u.address), uses.map((u) => u.at)],
    );
  }

  async delete(em: EntityManager, orgId: string | null, apiKeyId: string): Promise<boolean> {
    return (
      (await execute(em, 'DELETE FROM api_key WHERE org_id IS NOT DISTINCT FROM $1 AND api_key_id = $2', [
        orgId,
        apiKeyId,
      ])) === 1
    );
  }
}
