import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';
import type { Use } from '../../access/index.js';

/** What a session of a resource was begun by. */
export type LoginMethod = 'sso' | 'password' | 'pincode' | 'whitelist' | 'token';

/** Who may pass, and for how long yet. */
export interface StandingRow {
  resourceId: number;
  orgId: string;
  orgUid: string;
  method: LoginMethod;
  secondsLeft: number;
  /** Of a Gatehouse login. */
  userId: string | null;
  username: string | null;
  name: string | null;
  roles: string[];
  /** Of a Gatehouse login, or that was proven by a code. */
  email: string | null;
}

/** What a visitor of a resource must know or be. */
export interface AccessFacts {
  orgId: string;
  orgUid: string;
  orgName: string;
  passwordHash: string | null;
  pincodeHash: string | null;
  headerAuthHash: string | null;
  /** Who shows no credentials is asked for them. */
  headerAuthExtended: boolean;
}

export interface NewSession {
  resourceId: number;
  method: LoginMethod;
  loginSessionId?: string;
  secret?: Buffer;
  email?: string;
  accessTokenId?: string;
  /** How long it lasts at most. */
  seconds: number;
}

/** A code that the dashboard gave for a login, and whose login it is. */
export interface SpentLoginCode {
  loginSessionId: string;
  returnPath: string;
  userId: string;
  email: string;
}

export interface BegunSession {
  sessionId: string;
  /** Seconds since 1970. */
  issuedAt: number;
}

export const SESSION_SECONDS = 86_400;
const IDLE = `interval '8 hours'`;
const MAIL_TRIES = 5;
/** Codes to one address: of a resource in an hour, and of all resources in a day. */
const MAILS = { hour: 5, day: 30 };

/** Whether this user is a member of the organization of the resource `r` who is an Admin, or granted it by name or by a role. */
const MAY_PASS = (user: string): string => `EXISTS (
  SELECT FROM membership m WHERE m.org_id = r.org_id AND m.user_id = ${user} AND (
    EXISTS (SELECT FROM resource_user g WHERE g.resource_id = r.resource_id AND g.user_id = m.user_id)
    OR EXISTS (SELECT FROM membership_role mr JOIN role o USING (role_id) WHERE mr.org_id = m.org_id AND mr.user_id = m.user_id
      AND (o.is_admin OR EXISTS (SELECT FROM resource_role g WHERE g.resource_id = r.resource_id AND g.role_id = o.role_id)))))`;

const ENDS = `least(s.expires_at, s.last_used_at + ${IDLE}, l.expires_at, t.expires_at)`;
const SAME_SECRET = (hash: string): string => `sha256(convert_to(r.${hash}, 'UTF8')) = s.secret`;
const LIVE_TOKEN = '(t.expires_at IS NULL OR t.expires_at > now())';

/** All SQL of who is let in to a public resource. */
@Injectable()
export class AccessRepository {
  /** What a session stands for by now: nothing once anything that it rests on has changed. */
  async standing(em: EntityManager, sessionId: string): Promise<StandingRow | null> {
    const [row] = await prepared<StandingRow>(
      em,
      'resource_session_standing',
      `SELECT r.resource_id AS "resourceId", r.org_id AS "orgId", o.org_uid AS "orgUid", s.method, u.user_id AS "userId", u.username, u.name,
         ARRAY(SELECT a.name FROM membership_role mr JOIN role a USING (role_id) WHERE mr.org_id = r.org_id AND mr.user_id = u.user_id ORDER BY a.name) AS roles,
         coalesce(u.email, s.email) AS email, extract(epoch FROM ${ENDS} - now())::float8 AS "secondsLeft"
       FROM resource_session s JOIN resource r USING (resource_id) JOIN org o USING (org_id)
         LEFT JOIN user_session l ON l.session_id = s.login_session_id LEFT JOIN "user" u ON u.user_id = l.user_id
         LEFT JOIN access_token t ON t.access_token_id = s.access_token_id
       WHERE s.session_id = $1 AND ${ENDS} > now() AND CASE s.method
         WHEN 'sso' THEN r.sso AND ${MAY_PASS('u.user_id')}
         WHEN 'password' THEN ${SAME_SECRET('password_hash')}
         WHEN 'pincode' THEN ${SAME_SECRET('pincode_hash')}
         WHEN 'whitelist' THEN r.email_whitelist_enabled AND EXISTS (SELECT FROM resource_whitelist w
           WHERE w.resource_id = r.resource_id AND w.email IN (s.email, '*@' || split_part(s.email, '@', 2)))
         ELSE true END`,
      [sessionId],
    );
    return row ?? null;
  }

  /** The same of an access token that is presented itself. */
  async tokenStanding(em: EntityManager, accessTokenId: string, tokenHash: Buffer): Promise<StandingRow | null> {
    const [row] = await prepared<StandingRow>(
      em,
      'access_token_standing',
      `SELECT r.resource_id AS "resourceId", r.org_id AS "orgId", o.org_uid AS "orgUid", 'token' AS method, NULL AS "userId", NULL AS username, NULL AS name,
         '{}'::text[] AS roles, NULL AS email, coalesce(extract(epoch FROM t.expires_at - now()), ${SESSION_SECONDS})::float8 AS "secondsLeft"
       FROM access_token t JOIN resource r USING (resource_id) JOIN org o ON o.org_id = r.org_id
       WHERE t.access_token_id = $1 AND t.token_hash = $2 AND ${LIVE_TOKEN}`,
      [accessTokenId, tokenHash],
    );
    return row ?? null;
  }

  async facts(em: EntityManager, resourceId: number): Promise<AccessFacts | null> {
    const [row] = await prepared<AccessFacts>(
      em,
      'resource_access_facts',
      `SELECT r.org_id AS "orgId", o.org_uid AS "orgUid", o.name AS "orgName", r.password_hash AS "passwordHash", r.pincode_hash AS "pincodeHash",
         r.header_auth_hash AS "headerAuthHash", coalesce(r.header_auth_extended, false) AS "headerAuthExtended"
       FROM resource r JOIN org o USING (org_id) WHERE r.resource_id = $1`,
      [resourceId],
    );
    return row ?? null;
  }

  async begin(tx: EntityManager, session: NewSession): Promise<BegunSession> {
    const [row] = await query<BegunSession>(
      tx,
      `INSERT INTO resource_session (resource_id, method, login_session_id, secret, email, access_token_id, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => least($7::float8, ${SESSION_SECONDS})))
       RETURNING session_id AS "sessionId", floor(extract(epoch FROM created_at))::bigint AS "issuedAt"`,
      [
        session.resourceId,
        session.method,
        session.loginSessionId ?? null,
        session.secret ?? null,
        session.email ?? null,
        session.accessTokenId ?? null,
        session.seconds,
      ],
    );
    return row!;
  }

  /** Seconds that a session begun with this token lasts. */
  async tokenSessionSeconds(em: EntityManager, accessTokenId: string): Promise<number> {
    const [row] = await query<{ seconds: number }>(
      em,
      'SELECT session_length_ms::float8 / 1000 AS seconds FROM access_token WHERE access_token_id = $1',
      [accessTokenId],
    );
    return row?.seconds ?? 0;
  }

  end(tx: EntityManager, sessionIds: string[]): Promise<number> {
    return execute(tx, 'DELETE FROM resource_session WHERE session_id = ANY ($1::uuid[])', [sessionIds]);
  }

  /** None goes back behind what another server wrote. */
  async used(em: EntityManager, uses: Use[]): Promise<void> {
    await execute(
      em,
      `WITH u AS (SELECT id, max(at) AS at FROM unnest($1::uuid[], $2::timestamptz[]) AS u(id, at) GROUP BY id),
         held AS (SELECT s.session_id FROM resource_session s JOIN u ON u.id = s.session_id ORDER BY 1 FOR NO KEY UPDATE OF s)
       UPDATE resource_session s SET last_used_at = u.at FROM u JOIN held ON held.session_id = u.id
       WHERE s.session_id = u.id AND s.last_used_at < u.at`,
      [uses.map(({ id }) => id), uses.map(({ at }) => at)],
    );
  }

  /** The session of the dashboard, if its user may pass the resource. */
  async loginThatMayPass(em: EntityManager, resourceId: number, tokenHash: Buffer): Promise<string | null> {
    const [row] = await query<{ sessionId: string }>(
      em,
      `SELECT l.session_id AS "sessionId" FROM user_session l, resource r
       WHERE l.token_hash = $2 AND l.expires_at > now() AND r.resource_id = $1 AND r.http AND r.enabled AND r.sso AND r.staged_by IS NULL
         AND ${MAY_PASS('l.user_id')}`,
      [resourceId, tokenHash],
    );
    return row?.sessionId ?? null;
  }

  async addLoginCode(
    em: EntityManager,
    code: {
      codeHash: Buffer;
      resourceId: number;
      loginSessionId: string;
      origin: string;
      stateHash: Buffer;
      returnPath: string;
      seconds: number;
    },
  ): Promise<void> {
    await execute(
      em,
      `INSERT INTO resource_login_code (code_hash, resource_id, login_session_id, origin, state_hash, return_path, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))`,
      [code.codeHash, code.resourceId, code.loginSessionId, code.origin, code.stateHash, code.returnPath, code.seconds],
    );
  }

  /** Spends a code, where it was made for, in the browser that asked. */
  async spendLoginCode(
    tx: EntityManager,
    codeHash: Buffer,
    where: { resourceId: number; origin: string; stateHashes: Buffer[] },
  ): Promise<SpentLoginCode | null> {
    const [row] = await query<SpentLoginCode>(
      tx,
      `UPDATE resource_login_code c SET used_at = now() FROM user_session l JOIN "user" u USING (user_id)
       WHERE l.session_id = c.login_session_id AND c.code_hash = $1 AND c.resource_id = $2 AND c.origin = $3 AND c.state_hash = ANY ($4::bytea[])
         AND c.used_at IS NULL AND c.expires_at > now()
       RETURNING c.login_session_id AS "loginSessionId", c.return_path AS "returnPath", u.user_id AS "userId", u.email`,
      [codeHash, where.resourceId, where.origin, where.stateHashes],
    );
    return row ?? null;
  }

  /** Stores a code for an address that the resource lists. @returns false when it lists no such one, or enough was mailed to it. */
  async addMailCode(
    tx: EntityManager,
    code: { codeId: string; resourceId: number; email: string; codeMac: Buffer; minutes: number },
  ): Promise<boolean> {
    await query(tx, `SELECT pg_advisory_xact_lock(hashtextextended('resource_mail_code:' || $1, 0))`, [code.email]);
    const added = await execute(
      tx,
      `INSERT INTO resource_mail_code (code_id, resource_id, email, code_mac, expires_at)
       SELECT $1, r.resource_id, $3, $4, now() + make_interval(mins => $5) FROM resource r
       WHERE r.resource_id = $2 AND r.email_whitelist_enabled
         AND EXISTS (SELECT FROM resource_whitelist w WHERE w.resource_id = r.resource_id AND w.email IN ($3, '*@' || split_part($3, '@', 2)))
         AND (SELECT count(*) FROM resource_mail_code c WHERE c.resource_id = r.resource_id AND c.email = $3 AND c.created_at > now() - interval '1 hour') < ${MAILS.hour}
         AND (SELECT count(*) FROM resource_mail_code c WHERE c.email = $3 AND c.created_at > now() - interval '1 day') < ${MAILS.day}`,
      [code.codeId, code.resourceId, code.email, code.codeMac, code.minutes],
    );
    return added === 1;
  }

  /** Counts a try at these codes. @returns those at which there was one left */
  tryMailCodes(
    em: EntityManager,
    resourceId: number,
    codeIds: string[],
  ): Promise<{ codeId: string; email: string; codeMac: Buffer }[]> {
    return query(
      em,
      `UPDATE resource_mail_code SET tries = tries + 1
       WHERE code_id = ANY ($2::uuid[]) AND resource_id = $1 AND tries < ${MAIL_TRIES} AND used_at IS NULL AND expires_at > now()
       RETURNING code_id AS "codeId", email, code_mac AS "codeMac"`,
      [resourceId, codeIds],
    );
  }

  /** @returns whether it was this call that spent it */
  async spendMailCode(tx: EntityManager, codeId: string): Promise<boolean> {
    const text =
      'UPDATE resource_mail_code SET used_at = now() WHERE code_id = $1 AND used_at IS NULL AND expires_at > now()';
    return (await execute(tx, text, [codeId])) === 1;
  }

  /** Counts a guess of this hour. @returns how many there are */
  async countGuess(tx: EntityManager, resourceId: number, bucket: string): Promise<number> {
    const [row] = await query<{ count: number }>(
      tx,
      `INSERT INTO resource_guess AS g (resource_id, bucket, count, ends_at) VALUES ($1, $2, 1, now() + interval '1 hour')
       ON CONFLICT (resource_id, bucket) DO UPDATE SET count = CASE WHEN g.ends_at > now() THEN g.count + 1 ELSE 1 END,
         ends_at = CASE WHEN g.ends_at > now() THEN g.ends_at ELSE excluded.ends_at END
       RETURNING count`,
      [resourceId, bucket],
    );
    return row!.count;
  }

  /** It was none: what was guessed is right, or was not looked at. In the order in which they were counted. */
  async uncountGuess(em: EntityManager, resourceId: number, buckets: string[]): Promise<void> {
    for (const bucket of buckets)
      await execute(
        em,
        'UPDATE resource_guess SET count = count - 1 WHERE resource_id = $1 AND bucket = $2 AND count > 0',
        [resourceId, bucket],
      );
  }
}
