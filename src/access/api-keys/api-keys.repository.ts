import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull } from 'typeorm';
import { execute, prepared, type Window } from '#platform';
import { ApiKey } from './api-key.entity.js';

export interface StoredKey {
  orgId: string | null;
  orgUid: string | null;
  name: string;
  secretHash: Buffer;
  actions: string[];
}

/** All SQL about API keys. */
@Injectable()
export class ApiKeysRepository {
  /** The hot path: one statement by primary key. */
  async find(em: EntityManager, apiKeyId: string): Promise<StoredKey | null> {
    const rows = await prepared<StoredKey>(
      em,
      'api_key_find',
      `SELECT k.org_id AS "orgId", o.org_uid AS "orgUid", k.name, k.secret_hash AS "secretHash", k.actions
       FROM api_key k LEFT JOIN org o USING (org_id) WHERE k.api_key_id = $1`,
      [apiKeyId],
    );
    return rows[0] ?? null;
  }

  async orgOf(em: EntityManager, apiKeyId: string): Promise<string | null> {
    return (await this.find(em, apiKeyId))?.orgId ?? null;
  }

  async insert(em: EntityManager, key: Omit<ApiKey, 'createdAt' | 'actions'>): Promise<Date> {
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

  async delete(em: EntityManager, orgId: string | null, apiKeyId: string): Promise<boolean> {
    return (
      (await execute(em, 'DELETE FROM api_key WHERE org_id IS NOT DISTINCT FROM $1 AND api_key_id = $2', [
        orgId,
        apiKeyId,
      ])) === 1
    );
  }
}
