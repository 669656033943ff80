import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, likeEscape, prepared, query, type SealedApart, type Window } from '#platform';
import type { SecretView } from './secret.dto.js';

const VIEW = `s.name, s.org_id AS "orgId", s.current_version AS version, s.settled_version AS "settledVersion", to_jsonb(s.profile_ids) AS "profileIds",
  s.created_at AS "createdAt", v.created_at AS "changedAt"`;
const FROM = 'FROM secret s JOIN secret_version v ON v.secret_id = s.secret_id AND v.version = s.current_version';

/** A secret as changes and look-ups need it. */
export interface SecretRow {
  secretId: number;
  name: string;
  profileIds: number[] | null;
  current: number;
  settled: number;
  /** Of the row: its ETag. */
  rowVersion: number;
}
const ROW = `s.secret_id AS "secretId", s.name, to_jsonb(s.profile_ids) AS "profileIds", s.current_version AS current, s.settled_version AS settled, s.version AS "rowVersion"`;

/** A version, of which the value can be decrypted. */
export interface StoredVersion {
  secretVersionId: number;
  secretId: number;
  version: number;
  wrappedKey: Buffer;
  sealed: Buffer;
}

export interface NamedSecret {
  secretId: number;
  name: string;
  profileIds: number[] | null;
  current: { secretVersionId: number; version: number };
  settled: { secretVersionId: number; version: number };
}

/** All SQL about secrets and their versions; who uses them is in secret-users.repository.ts. */
@Injectable()
export class SecretsRepository {
  /**
   * Makes it, or makes one again that was in use when it was deleted; then its versions go on counting.
   * @returns undefined when it is there.
   */
  async insert(
    tx: EntityManager,
    orgId: string,
    name: string,
    profileIds: number[] | null,
  ): Promise<{ secretId: number; version: number; rowVersion: number } | undefined> {
    const [row] = await query<{ secretId: number; version: number; rowVersion: number }>(
      tx,
      `INSERT INTO secret (org_id, name, profile_ids) VALUES ($1, $2, $3::bigint[])
       ON CONFLICT (org_id, name) DO UPDATE SET deleted_at = NULL, profile_ids = excluded.profile_ids, created_at = now(),
           current_version = secret.current_version + 1, settled_version = secret.current_version + 1
         WHERE secret.deleted_at IS NOT NULL
       RETURNING secret_id AS "secretId", current_version AS version, version AS "rowVersion"`,
      [orgId, name, profileIds],
    );
    return row;
  }

  async insertVersion(
    tx: EntityManager,
    secretId: number,
    version: number,
    { wrappedKey, sealed }: SealedApart,
    by: string,
  ): Promise<void> {
    await execute(
      tx,
      'INSERT INTO secret_version (secret_id, version, wrapped_key, sealed_value, created_by) VALUES ($1, $2, $3, $4, $5)',
      [secretId, version, wrappedKey, sealed, by],
    );
  }

  /** Held against other changes of it, and against bootstraps that begin to name it. */
  async lock(tx: EntityManager, orgId: string, name: string): Promise<SecretRow | undefined> {
    const [row] = await query<SecretRow>(
      tx,
      `SELECT ${ROW} FROM secret s WHERE s.org_id = $1 AND s.name = $2 AND s.deleted_at IS NULL FOR UPDATE`,
      [orgId, name],
    );
    return row;
  }

  async find(em: EntityManager, orgId: string, name: string): Promise<(SecretView & SecretRow) | undefined> {
    const [row] = await query<SecretView & SecretRow>(
      em,
      `SELECT ${ROW}, ${VIEW} ${FROM} WHERE s.org_id = $1 AND s.name = $2 AND s.deleted_at IS NULL`,
      [orgId, name],
    );
    return row;
  }

  async list(em: EntityManager, orgId: string, search: string | undefined, descending: boolean, window: Window) {
    const where = `s.org_id = $1 AND s.deleted_at IS NULL AND s.name ILIKE $2`;
    const values = [orgId, `%${likeEscape(search ?? '')}%`];
    const secrets = await query<SecretView>(
      em,
      `SELECT ${VIEW} ${FROM} WHERE ${where} ORDER BY s.name ${descending ? 'DESC' : 'ASC'} LIMIT $3 OFFSET $4`,
      [...values, window.limit, window.offset],
    );
    const [count] = await query<{ total: number }>(em, `SELECT count(*) AS total FROM secret s WHERE ${where}`, values);
    return { secrets, total: count!.total };
  }

  /** Those behind a name, by name. */
  async after(
    em: EntityManager,
    orgId: string,
    search: string | undefined,
    name: string | undefined,
    limit: number,
  ): Promise<SecretView[]> {
    return query<SecretView>(
      em,
      `SELECT ${VIEW} ${FROM} WHERE s.org_id = $1 AND s.deleted_at IS NULL AND s.name ILIKE $2 AND s.name > $3 ORDER BY s.name LIMIT $4`,
      [orgId, `%${likeEscape(search ?? '')}%`, name ?? '', limit],
    );
  }

  /** Newest first. */
  async versions(em: EntityManager, secretId: number, window: Window) {
    return query<{
      secretVersionId: number;
      version: number;
      createdBy: string;
      createdAt: Date;
      destroyedAt: Date | null;
    }>(
      em,
      `SELECT secret_version_id AS "secretVersionId", version, created_by AS "createdBy", created_at AS "createdAt", destroyed_at AS "destroyedAt"
       FROM secret_version WHERE secret_id = $1 ORDER BY version DESC LIMIT $2 OFFSET $3`,
      [secretId, window.limit, window.offset],
    );
  }

  async countVersions(em: EntityManager, secretId: number): Promise<number> {
    const [row] = await query<{ n: number }>(em, 'SELECT count(*) AS n FROM secret_version WHERE secret_id = $1', [
      secretId,
    ]);
    return row!.n;
  }

  /** @returns the id of the version, and whether it was destroyed; undefined when there is none. */
  async version(
    em: EntityManager,
    secretId: number,
    version: number,
  ): Promise<{ secretVersionId: number; destroyed: boolean } | undefined> {
    const [row] = await query<{ secretVersionId: number; destroyed: boolean }>(
      em,
      `SELECT secret_version_id AS "secretVersionId", destroyed_at IS NOT NULL AS destroyed FROM secret_version WHERE secret_id = $1 AND version = $2`,
      [secretId, version],
    );
    return row;
  }

  async setProfiles(tx: EntityManager, secretId: number, profileIds: number[] | null): Promise<void> {
    await execute(tx, 'UPDATE secret SET profile_ids = $2::bigint[] WHERE secret_id = $1', [secretId, profileIds]);
  }

  /** @returns how many of these profiles the organization has. */
  async countProfiles(em: EntityManager, orgId: string, profileIds: number[]): Promise<number> {
    const [row] = await query<{ n: number }>(
      em,
      'SELECT count(*) AS n FROM provisioning_profile WHERE org_id = $1 AND profile_id = ANY($2::bigint[])',
      [orgId, profileIds],
    );
    return row!.n;
  }

  /** Counts one on; the row is locked. @returns the new version, and that of the row. */
  async next(tx: EntityManager, secretId: number): Promise<{ version: number; rowVersion: number }> {
    const [row] = await query<{ version: number; rowVersion: number }>(
      tx,
      'UPDATE secret SET current_version = current_version + 1 WHERE secret_id = $1 RETURNING current_version AS version, version AS "rowVersion"',
      [secretId],
    );
    return row!;
  }

  async settle(tx: EntityManager, secretId: number, version: number): Promise<void> {
    await execute(tx, 'UPDATE secret SET settled_version = $2 WHERE secret_id = $1 AND settled_version < $2', [
      secretId,
      version,
    ]);
  }

  /** Deletes the data key and what it encrypted; the number stays used. Counts the ETag on. */
  async destroy(tx: EntityManager, secretId: number, secretVersionIds?: number[]): Promise<void> {
    await execute(
      tx,
      `UPDATE secret_version SET wrapped_key = NULL, sealed_value = NULL, destroyed_at = now()
       WHERE secret_id = $1 AND destroyed_at IS NULL AND ($2::bigint[] IS NULL OR secret_version_id = ANY($2::bigint[]))`,
      [secretId, secretVersionIds ?? null],
    );
    await execute(tx, 'UPDATE secret SET version = version + 1 WHERE secret_id = $1', [secretId]);
  }

  async delete(tx: EntityManager, secretId: number): Promise<void> {
    await execute(tx, 'DELETE FROM secret WHERE secret_id = $1', [secretId]);
  }

  async bury(tx: EntityManager, secretId: number): Promise<void> {
    await execute(tx, 'UPDATE secret SET deleted_at = now() WHERE secret_id = $1', [secretId]);
  }

  /** After a profile was deleted: no secret is for it any more. */
  async forgetProfile(tx: EntityManager, orgId: string, profileId: number): Promise<void> {
    await execute(
      tx,
      'UPDATE secret SET profile_ids = array_remove(profile_ids, $2) WHERE org_id = $1 AND $2 = ANY(profile_ids)',
      [orgId, profileId],
    );
  }

  /** Of secrets that are for the profile. */
  async stored(
    em: EntityManager,
    orgId: string,
    profileId: number | null,
    secretVersionIds: number[],
  ): Promise<StoredVersion[]> {
    return prepared(
      em,
      'secret-values',
      `SELECT v.secret_version_id AS "secretVersionId", v.secret_id AS "secretId", v.version, v.wrapped_key AS "wrappedKey", v.sealed_value AS sealed
       FROM secret_version v JOIN secret s USING (secret_id)
       WHERE s.org_id = $1 AND v.secret_version_id = ANY($2::bigint[]) AND v.wrapped_key IS NOT NULL AND (s.profile_ids IS NULL OR $3 = ANY(s.profile_ids))`,
      [orgId, secretVersionIds, profileId],
    );
  }

  async names(em: EntityManager, orgId: string): Promise<string[]> {
    const rows = await query<{ name: string }>(
      em,
      'SELECT name FROM secret WHERE org_id = $1 AND deleted_at IS NULL ORDER BY name',
      [orgId],
    );
    return rows.map(({ name }) => name);
  }

  /** `lock`: nobody deletes them, or names other profiles for them, before the transaction ends. */
  async named(em: EntityManager, orgId: string, names: string[], lock: boolean): Promise<NamedSecret[]> {
    return query(
      em,
      `SELECT s.secret_id AS "secretId", s.name, to_jsonb(s.profile_ids) AS "profileIds",
         jsonb_build_object('secretVersionId', c.secret_version_id, 'version', c.version) AS current,
         jsonb_build_object('secretVersionId', t.secret_version_id, 'version', t.version) AS settled
       FROM secret s JOIN secret_version c ON c.secret_id = s.secret_id AND c.version = s.current_version
         JOIN secret_version t ON t.secret_id = s.secret_id AND t.version = s.settled_version
       WHERE s.org_id = $1 AND s.name = ANY($2::text[]) AND s.deleted_at IS NULL ORDER BY s.secret_id ${lock ? 'FOR SHARE OF s' : ''}`,
      [orgId, names],
    );
  }
}
