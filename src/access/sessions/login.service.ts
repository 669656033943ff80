import { Injectable } from '@nestjs/common';
import { Strategy } from 'passport-local';
import { AppError, addressBucket, Db, Hooks, invalid, notify, type Principal, RefusalLimiter } from '#platform';
import { AuditService } from '../../audit/index.js';
import { Passwords } from '../users/passwords.js';
import { UsersRepository } from '../users/users.repository.js';
import { RefusedLogins } from './refused-logins.js';
import type { ChangePasswordBody, LoginBody, LoginView } from './sessions.dto.js';
import { SessionsRepository } from './sessions.repository.js';
import { SessionsService } from './sessions.service.js';

interface Match {
  userId: string;
  passwordHash: string;
}

interface LoginRequest {
  body: LoginBody;
  source: string;
}

/** Who may begin a session. The password is checked by passport-local's strategy, called from here: the session is a row of our own. */
@Injectable()
export class LoginService {
  private readonly strategy: Strategy;

  constructor(
    private readonly db: Db,
    private readonly users: UsersRepository,
    private readonly passwords: Passwords,
    private readonly sessions: SessionsService,
    private readonly sessionRows: SessionsRepository,
    private readonly audit: AuditService,
    private readonly refused: RefusedLogins,
    private readonly limiter: RefusalLimiter,
    private readonly hooks: Hooks,
  ) {
    this.strategy = new Strategy(
      { usernameField: 'email', session: false, passReqToCallback: true },
      (request, email, password, done) => {
        const { source } = request as unknown as LoginRequest;
        this.verify(email, password, source).then((match) => done(null, match ?? false), done);
      },
    );
  }

  /**
   * POST /auth/login. Evaluated first; only a refusal counts against the address and the login name (docs/claims.md rule 10).
   * @throws unauthenticated for an unknown user and a wrong password alike; rate_limited; capacity
   */
  async login(caller: Principal, body: LoginBody): Promise<LoginView & { token: string }> {
    const email = body.email.toLowerCase();
    const match = await this.check({
      body: { email, password: body.password },
      source: addressBucket(caller.address ?? ''),
    });
    if (!match) throw this.refuse(caller, email);
    const { userId, passwordHash } = match;
    const principal = { ...caller, kind: 'user' as const, id: userId, name: email };
    const session = await this.db.tx(async (tx) => {
      // A password that was changed while it was being compared begins no session: whoever changed it has ended all there were.
      if (!(await this.users.holdPassword(tx, userId, passwordHash))) return null;
      await this.audit.record(tx, principal, {
        orgId: null,
        action: 'auth.login',
        target: { type: 'user', id: userId },
      });
      await this.hooks.userLoggedIn.run(tx, userId);
      return this.sessions.open(tx, principal);
    });
    if (!session) throw this.refuse(caller, email);
    return { userId, email, ...session };
  }

  /** POST /auth/change-password: ends the user's other sessions. @throws validation when the current password is another one */
  async changePassword(principal: Principal, body: ChangePasswordBody): Promise<void> {
    const userId = principal.id!;
    const target = { type: 'user', id: userId };
    const turn = { source: addressBucket(principal.address ?? ''), name: principal.name };
    const held = await this.users.passwordHashOf(this.db.manager, userId);
    if (!(await this.passwords.matches(body.currentPassword, held, turn))) {
      await this.audit.record(this.db.manager, principal, {
        orgId: null,
        action: 'user.change_password',
        target,
        result: 'failure',
      });
      this.limiter.refused(principal.address ?? '', `login:${principal.name}`);
      throw invalid('currentPassword', 'is not the current password');
    }
    const passwordHash = await this.passwords.hash(body.newPassword, turn, 'newPassword');
    await this.db.tx(async (tx) => {
      if (!(await this.users.setPassword(tx, userId, passwordHash, held)))
        throw new AppError('conflict', 'The password was changed meanwhile');
      await this.sessionRows.deleteOfUser(tx, userId, principal.sessionHash);
      await notify(tx, 'access_changed', `user:${userId}`);
      await this.audit.record(tx, principal, { orgId: null, action: 'user.change_password', target });
    });
  }

  private refuse(caller: Principal, email: string): AppError {
    this.refused.record({ ...caller, name: email });
    this.limiter.refused(caller.address ?? '', `login:${email}`);
    return new AppError('unauthenticated', 'Invalid e-mail address or password');
  }

  private async verify(email: string, password: string, source: string): Promise<Match | null> {
    const user = await this.users.credentialsOf(this.db.manager, email);
    const matches = await this.passwords.matches(password, user?.passwordHash ?? null, { source, name: email });
    return matches ? { userId: user!.userId, passwordHash: user!.passwordHash! } : null;
  }

  /** Calls the strategy as passport would: on an object of its own that carries the outcomes. @returns who it is, or null. */
  private check(request: LoginRequest): Promise<Match | null> {
    return new Promise((resolve, reject) => {
      const attempt = Object.assign(Object.create(this.strategy) as Strategy, {
        success: (match: Match) => resolve(match),
        fail: () => resolve(null),
        error: reject,
      });
      attempt.authenticate(request as never);
    });
  }
}
