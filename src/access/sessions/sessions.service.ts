import { randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Action, actionsOfRole } from '#contracts';
import {
  AppError,
  Config,
  Db,
  InvalidatedCache,
  notFound,
  notify,
  type PageQuery,
  PgNotifications,
  type Principal,
  Retention,
  sha256,
  shapeA,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { SessionUses } from './session-uses.js';
import type { EndedSessions, OwnSessionList, UserView } from './sessions.dto.js';
import { type MembershipRow, SessionsRepository, type UserRow } from './sessions.repository.js';

type UserPrincipal = Pick<Principal, 'authority' | 'kind' | 'id' | 'name' | 'orgUids'>;
/** What of a program's name is kept. */
const MAX_USER_AGENT = 300;

interface KnownSession {
  sessionId: string;
  userId: string;
  orgIds: string[];
  /** performance.now() at which it ends by itself. */
  endsAt: number;
  principal: UserPrincipal;
}

/** Sessions of logged-in users: rows of our own, found by the hash of a random token. */
@Injectable()
export class SessionsService implements OnModuleInit {
  private readonly known: InvalidatedCache<KnownSession>;

  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: SessionsRepository,
    private readonly uses: SessionUses,
    private readonly audit: AuditService,
    private readonly retention: Retention,
    notifications: PgNotifications,
  ) {
    this.known = new InvalidatedCache(notifications, {
      max: 10_000,
      channels: { access_changed: (name) => [name] },
      tags: (_, session) =>
        session ? [`user:${session.userId}`, ...session.orgIds.map((orgId) => `org:${orgId}`)] : [],
    });
  }

  onModuleInit(): void {
    this.retention.register({ table: 'user_session', expired: 'expires_at < now()' });
  }

  /** @returns who is logged in, with memberships and actions, or null; one query, cached until a notice drops it. */
  async authenticate(tokenHash: Buffer, address: string | null): Promise<UserPrincipal | null> {
    const session = await this.known.get(tokenHash.toString('base64'), () => this.load(tokenHash));
    if (!session || session.endsAt <= performance.now()) return null;
    this.uses.note(session.sessionId, address);
    return session.principal;
  }

  /** Who a user is by now, logged in or not, for work that goes on after its request. @returns null when there is none */
  async principalOfUser(em: EntityManager, userId: string): Promise<UserPrincipal | null> {
    const row = await this.repository.findUser(em, userId);
    return row && principalOf(row);
  }

  /** @returns the cookie's token and its end; stored is only the token's hash. */
  async open(tx: EntityManager, principal: Principal & { id: string }): Promise<{ token: string; expiresAt: Date }> {
    const token = randomBytes(32).toString('base64url');
    const { id: userId, address, userAgent } = principal;
    const expiresAt = await this.repository.insert(tx, {
      tokenHash: sha256(token),
      userId,
      address,
      userAgent: userAgent?.slice(0, MAX_USER_AGENT) ?? null,
      ttlHours: this.config.access.sessionTtlHours,
    });
    return { token, expiresAt };
  }

  /** POST /auth/logout: on every server process within a second. */
  async close(principal: Principal): Promise<void> {
    await this.db.tx(async (tx) => {
      await this.repository.delete(tx, principal.sessionHash!);
      await notify(tx, 'access_changed', `user:${principal.id}`);
      await this.audit.record(tx, principal, {
        orgId: null,
        action: 'auth.logout',
        target: { type: 'user', id: principal.id! },
      });
    });
  }

  /** GET /auth/sessions, shape A: those of the caller. */
  async list(principal: Principal, page: PageQuery): Promise<OwnSessionList> {
    const window = windowOf(page, 1000);
    const [sessions, total] = await this.repository.ofUser(
      this.db.manager,
      principal.id!,
      principal.sessionHash!,
      window,
    );
    return { sessions, pagination: shapeA(total, window) };
  }

  /** DELETE /auth/session/{sessionId}: one of the caller's, which may be the one that asks. @throws not_found */
  async end(principal: Principal, sessionId: string): Promise<void> {
    const userId = principal.id!;
    await this.db.tx(async (tx) => {
      if (!(await this.repository.deleteById(tx, userId, sessionId))) throw notFound('Session');
      await this.ended(tx, principal, { sessionId });
    });
  }

  /** POST /auth/end-other-sessions: all of the caller's but the one that asks. */
  async endOthers(principal: Principal): Promise<EndedSessions> {
    return this.db.tx(async (tx) => {
      const ended = await this.repository.deleteOfUser(tx, principal.id!, principal.sessionHash);
      if (ended > 0) await this.ended(tx, principal, { count: ended });
      return { ended };
    });
  }

  private async ended(tx: EntityManager, principal: Principal, details: Record<string, unknown>): Promise<void> {
    await notify(tx, 'access_changed', `user:${principal.id}`);
    await this.audit.record(tx, principal, {
      orgId: null,
      action: 'auth.end_session',
      target: { type: 'user', id: principal.id! },
      details,
    });
  }

  /** GET /user: read afresh. @throws unauthenticated when the session ended meanwhile. */
  async describe(principal: Principal): Promise<UserView> {
    const row = await this.repository.find(this.db.manager, principal.sessionHash!);
    if (!row) throw new AppError('unauthenticated', 'Not logged in');
    const { userId, email, emailVerified, username, name, serverAdmin } = row;
    const memberships = row.memberships.map((m) => ({
      orgId: m.orgId,
      orgName: m.orgName,
      isOwner: m.isOwner,
      roles: m.roles.map((r) => ({ roleId: r.roleId, name: r.name, isAdmin: r.isAdmin })),
      actions: [...actionsOf(m)].sort(),
    }));
    return { userId, email, emailVerified, username, name, serverAdmin, memberships };
  }

  private async load(tokenHash: Buffer): Promise<KnownSession | null> {
    const row = await this.repository.find(this.db.manager, tokenHash);
    if (!row) return null;
    return {
      sessionId: row.sessionId,
      userId: row.userId,
      orgIds: row.memberships.map((m) => m.orgId),
      endsAt: performance.now() + row.secondsLeft * 1000,
      principal: principalOf(row),
    };
  }
}

function principalOf(row: UserRow): UserPrincipal {
  const memberships = new Map(row.memberships.map((m) => [m.orgId, actionsOf(m)]));
  const orgUids = new Map(row.memberships.map((m) => [m.orgId, m.orgUid]));
  return {
    authority: { kind: 'user', serverAdmin: row.serverAdmin, memberships },
    kind: 'user',
    id: row.userId,
    name: row.email,
    ...(row.serverAdmin ? {} : { orgUids }),
  };
}

const actionsOf = ({ roles }: MembershipRow): ReadonlySet<Action> => new Set(roles.flatMap(actionsOfRole));
