import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query, type Window } from '#platform';
import type { AccessTokenItem } from './access-tokens.dto.js';

export interface NewAccessToken {
  accessTokenId: string;
  tokenHash: Buffer;
  sessionLength: number;
  validForSeconds: number | null;
  title: string | null;
  description: string | null;
}

const MS = (column: string) => `floor(extract(epoch FROM ${column}) * 1000)::bigint`;

/** These tokens as reads show them. */
const ITEMS = (tokens: string) =>
  `SELECT a.access_token_id AS "accessTokenId", a.org_id AS "orgId", a.resource_id AS "resourceId", ${MS('a.expires_at')} AS "expiresAt",
     a.session_length_ms AS "sessionLength", a.title, a.description, ${MS('a.created_at')} AS "createdAt", r.name AS "resourceName",
     r.nice_id AS "resourceNiceId",
     (SELECT s.name FROM target t JOIN site s ON s.site_id = t.site_id WHERE t.resource_id = a.resource_id ORDER BY t.target_id LIMIT 1) AS "siteName"
   FROM (${tokens}) a JOIN resource r ON r.resource_id = a.resource_id`;

/** All SQL about access tokens. The hash is in no read. */
@Injectable()
export class AccessTokensRepository {
  async orgOf(em: EntityManager, accessTokenId: string): Promise<string | null> {
    const [row] = await query<{ orgId: string }>(
      em,
      'SELECT org_id AS "orgId" FROM access_token WHERE access_token_id = $1',
      [accessTokenId],
    );
    return row?.orgId ?? null;
  }

  async insert(
    tx: EntityManager,
    orgId: string,
    resourceId: number,
    t: NewAccessToken,
  ): Promise<{ expiresAt: number | null; createdAt: number }> {
    const [row] = await query<{ expiresAt: number | null; createdAt: number }>(
      tx,
      `INSERT INTO access_token (access_token_id, org_id, resource_id, token_hash, session_length_ms, expires_at, title, description)
       VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6), $7, $8)
       RETURNING ${MS('expires_at')} AS "expiresAt", ${MS('created_at')} AS "createdAt"`,
      [t.accessTokenId, orgId, resourceId, t.tokenHash, t.sessionLength, t.validForSeconds, t.title, t.description],
    );
    return row!;
  }

  async delete(tx: EntityManager, orgId: string, accessTokenId: string): Promise<{ resourceId: number } | null> {
    const [row] = await query<{ resourceId: number }>(
      tx,
      'DELETE FROM access_token WHERE org_id = $1 AND access_token_id = $2 RETURNING resource_id AS "resourceId"',
      [orgId, accessTokenId],
    );
    return row ?? null;
  }

  /** null: none, or one that has expired. */
  async find(em: EntityManager, orgId: string, accessTokenId: string): Promise<AccessTokenItem | null> {
    const where = 'a.org_id = $1 AND a.access_token_id = $2 AND (a.expires_at IS NULL OR a.expires_at > now())';
    const [row] = await query<AccessTokenItem>(em, ITEMS(`SELECT * FROM access_token a WHERE ${where}`), [
      orgId,
      accessTokenId,
    ]);
    return row ?? null;
  }

  /** Those that have not expired, oldest first; of one resource, or of all. */
  async list(
    em: EntityManager,
    orgId: string,
    resourceId: number | null,
    window: Window,
  ): Promise<[AccessTokenItem[], number]> {
    const where = listed(resourceId);
    const page = query<AccessTokenItem>(
      em,
      `${ITEMS(`SELECT * FROM access_token a WHERE ${where} ORDER BY a.created_at, a.access_token_id LIMIT $3 OFFSET $4`)} ORDER BY a.created_at, a.access_token_id`,
      [orgId, resourceId, window.limit, window.offset],
    );
    const total = query<{ n: number }>(em, `SELECT count(*) AS n FROM access_token a WHERE ${where}`, [
      orgId,
      resourceId,
    ]);
    return [await page, (await total)[0]!.n];
  }
  /** The same behind an id, by id. */
  async after(
    em: EntityManager,
    orgId: string,
    resourceId: number | null,
    accessTokenId: string | undefined,
    limit: number,
  ): Promise<AccessTokenItem[]> {
    const rows = `SELECT * FROM access_token a WHERE ${listed(resourceId)} AND a.access_token_id > $3 ORDER BY a.access_token_id LIMIT $4`;
    return query<AccessTokenItem>(em, `${ITEMS(rows)} ORDER BY a.access_token_id`, [
      orgId,
      resourceId,
      accessTokenId ?? '',
      limit,
    ]);
  }
}

/** Of the organization $1 and, if one is given, the resource $2. */
const listed = (resourceId: number | null) =>
  `a.org_id = $1 AND ${resourceId === null ? '$2::bigint IS NULL' : 'a.resource_id = $2'} AND (a.expires_at IS NULL OR a.expires_at > now())`;
