import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query, type Window } from '#platform';
import type { InvitationView } from './invitations.dto.js';

export interface HeldInvitation {
  inviteId: string;
  expired: boolean;
  /** How often its link was made anew in the last hour, and in how many seconds the first of these is an hour ago. */
  regenerated: number;
  retryAfter: number;
}

export interface OpenInvitation {
  orgId: string;
  email: string;
  tokens: InvitationTokens;
}

/** Hashes of an invitation's two tokens: of the answer's link, and of the mailed one, if there is one. */
export interface InvitationTokens {
  answered: Buffer;
  mailed: Buffer | null;
}

const VIEW = `SELECT i.invite_id AS "inviteId", i.email, round(extract(epoch FROM i.expires_at) * 1000)::int8 AS "expiresAt",
    coalesce((SELECT jsonb_agg(jsonb_build_object('roleId', r.role_id, 'roleName', r.name) ORDER BY r.role_id)
      FROM invitation_role ir JOIN role r USING (role_id) WHERE ir.invite_id = i.invite_id), '[]') AS roles
  FROM invitation i`;

/** All SQL about invitations. What has expired is not there any more, but for the limit of new links. */
@Injectable()
export class InvitationsRepository {
  async orgOf(em: EntityManager, inviteId: string): Promise<string | null> {
    const rows = await query<{ orgId: string }>(em, 'SELECT org_id AS "orgId" FROM invitation WHERE invite_id = $1', [
      inviteId,
    ]);
    return rows[0]?.orgId ?? null;
  }

  /** @returns false when the address has an invitation already: of two at once the second one waits for the first. */
  async insert(
    tx: EntityManager,
    invitation: { inviteId: string; orgId: string; email: string; tokens: InvitationTokens; validHours: number },
  ): Promise<number | null> {
    const rows = await query<{ expiresAt: number }>(
      tx,
      `INSERT INTO invitation (invite_id, org_id, email, token_hash, mailed_token_hash, expires_at) VALUES ($1, $2, $3, $4, $5, now() + $6 * interval '1 hour')
       ON CONFLICT (org_id, email) DO NOTHING RETURNING round(extract(epoch FROM expires_at) * 1000)::int8 AS "expiresAt"`,
      [
        invitation.inviteId,
        invitation.orgId,
        invitation.email,
        invitation.tokens.answered,
        invitation.tokens.mailed,
        invitation.validHours,
      ],
    );
    return rows[0]?.expiresAt ?? null;
  }

  /** Locked by a statement of its own: one that waits for a lock goes on with what it counted before. */
  async lock(tx: EntityManager, orgId: string, email: string): Promise<HeldInvitation | null> {
    await query(tx, 'SELECT 1 AS one FROM invitation WHERE org_id = $1 AND email = $2 FOR UPDATE', [orgId, email]);
    const rows = await query<HeldInvitation>(
      tx,
      `SELECT invite_id AS "inviteId", expires_at <= now() AS expired, recent.n AS regenerated,
         coalesce(ceil(extract(epoch FROM recent.first + interval '1 hour' - now())), 1)::int AS "retryAfter"
       FROM invitation, LATERAL (SELECT count(*) AS n, min(t) AS first FROM unnest(regenerated_at) t WHERE t > now() - interval '1 hour') recent
       WHERE org_id = $1 AND email = $2`,
      [orgId, email],
    );
    return rows[0] ?? null;
  }

  /** New tokens, and a new end; what is older than an hour is forgotten. */
  async regenerate(tx: EntityManager, inviteId: string, tokens: InvitationTokens, validHours: number): Promise<number> {
    const rows = await query<{ expiresAt: number }>(
      tx,
      `UPDATE invitation SET token_hash = $2, mailed_token_hash = $4, expires_at = now() + $3 * interval '1 hour',
         regenerated_at = ARRAY(SELECT t FROM unnest(regenerated_at) t WHERE t > now() - interval '1 hour') || now()
       WHERE invite_id = $1 RETURNING round(extract(epoch FROM expires_at) * 1000)::int8 AS "expiresAt"`,
      [inviteId, tokens.answered, validHours, tokens.mailed],
    );
    return rows[0]!.expiresAt;
  }

  async setRoles(tx: EntityManager, inviteId: string, roleIds: number[]): Promise<void> {
    await execute(tx, 'DELETE FROM invitation_role WHERE invite_id = $1 AND role_id <> ALL ($2::bigint[])', [
      inviteId,
      roleIds,
    ]);
    await execute(
      tx,
      'INSERT INTO invitation_role (invite_id, role_id) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING',
      [inviteId, roleIds],
    );
  }

  async list(em: EntityManager, orgId: string, window: Window): Promise<InvitationView[]> {
    return query<InvitationView>(
      em,
      `${VIEW} WHERE i.org_id = $1 AND i.expires_at > now() ORDER BY i.email LIMIT $2 OFFSET $3`,
      [orgId, window.limit, window.offset],
    );
  }

  /** Those behind an address, by address. */
  async after(em: EntityManager, orgId: string, email: string | undefined, limit: number): Promise<InvitationView[]> {
    return query<InvitationView>(
      em,
      `${VIEW} WHERE i.org_id = $1 AND i.expires_at > now() AND i.email > $2 ORDER BY i.email LIMIT $3`,
      [orgId, email ?? '', limit],
    );
  }

  async count(em: EntityManager, orgId: string): Promise<number> {
    const rows = await query<{ n: number }>(
      em,
      'SELECT count(*) AS n FROM invitation WHERE org_id = $1 AND expires_at > now()',
      [orgId],
    );
    return rows[0]!.n;
  }

  async find(em: EntityManager, orgId: string, inviteId: string): Promise<InvitationView | null> {
    const rows = await query<InvitationView>(
      em,
      `${VIEW} WHERE i.org_id = $1 AND i.invite_id = $2 AND i.expires_at > now()`,
      [orgId, inviteId],
    );
    return rows[0] ?? null;
  }

  async delete(tx: EntityManager, orgId: string, inviteId: string): Promise<boolean> {
    return (await execute(tx, 'DELETE FROM invitation WHERE org_id = $1 AND invite_id = $2', [orgId, inviteId])) === 1;
  }

  async open(em: EntityManager, inviteId: string): Promise<OpenInvitation | null> {
    const rows = await query<Omit<OpenInvitation, 'tokens'> & InvitationTokens>(
      em,
      'SELECT org_id AS "orgId", email, token_hash AS answered, mailed_token_hash AS mailed FROM invitation WHERE invite_id = $1 AND expires_at > now()',
      [inviteId],
    );
    if (!rows[0]) return null;
    const { answered, mailed, ...invitation } = rows[0];
    return { ...invitation, tokens: { answered, mailed } };
  }

  /** Spends an invitation. Of two at once the second one waits, and finds nothing. @returns its roles, or null. */
  async spend(tx: EntityManager, inviteId: string, tokenHash: Buffer): Promise<number[] | null> {
    const held = await query(
      tx,
      'SELECT 1 AS one FROM invitation WHERE invite_id = $1 AND $2 IN (token_hash, mailed_token_hash) AND expires_at > now() FOR UPDATE',
      [inviteId, tokenHash],
    );
    if (held.length === 0) return null;
    const roles = await query<{ id: number }>(
      tx,
      'DELETE FROM invitation_role WHERE invite_id = $1 RETURNING role_id AS id',
      [inviteId],
    );
    await execute(tx, 'DELETE FROM invitation WHERE invite_id = $1', [inviteId]);
    return roles.map(({ id }) => id);
  }

  /** Whether an invitation that can still be accepted promises the role. */
  async isPromised(tx: EntityManager, roleId: number): Promise<boolean> {
    const [row] = await query<{ yes: boolean }>(
      tx,
      'SELECT EXISTS (SELECT FROM invitation_role r JOIN invitation i USING (invite_id) WHERE r.role_id = $1 AND i.expires_at > now()) AS yes',
      [roleId],
    );
    return row!.yes;
  }

  /** Invitations to the one role become invitations to the other. */
  async replaceRole(tx: EntityManager, from: number, to: number): Promise<void> {
    // Held, so that none is accepted or revoked between being read and being written.
    await query(
      tx,
      'SELECT 1 AS one FROM invitation WHERE invite_id IN (SELECT invite_id FROM invitation_role WHERE role_id = $1) ORDER BY invite_id FOR KEY SHARE',
      [from],
    );
    await execute(
      tx,
      'INSERT INTO invitation_role (invite_id, role_id) SELECT invite_id, $2 FROM invitation_role WHERE role_id = $1 ON CONFLICT DO NOTHING',
      [from, to],
    );
  }
}
