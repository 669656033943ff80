import { randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  AppError,
  addressBucket,
  Config,
  Db,
  Mailer,
  notFound,
  notify,
  type Principal,
  RefusalLimiter,
  Retention,
  sha256,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { SessionsRepository } from '../sessions/sessions.repository.js';
import { Passwords } from '../users/passwords.js';
import { UsersRepository } from '../users/users.repository.js';
import { LateWork } from './late-work.js';
import type { ConfirmResetBody, VerifiedEmail } from './mailboxes.dto.js';
import { type Holder, MailboxesRepository } from './mailboxes.repository.js';
import { MailboxesService } from './mailboxes.service.js';
import { PasswordResetsRepository } from './password-resets.repository.js';

export interface ResetLink {
  link: string;
  expiresAt: Date;
}

/**
 * A forgotten password (docs/integration-api.md §3.10): a link, good once and for an hour, by mail or from the server's machine. No Admin of an
 * organization makes one: the account may be a member of others too.
 */
@Injectable()
export class PasswordResetsService implements OnModuleInit {
  readonly late = new LateWork();

  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: PasswordResetsRepository,
    private readonly mailboxRows: MailboxesRepository,
    private readonly mailboxes: MailboxesService,
    private readonly users: UsersRepository,
    private readonly sessions: SessionsRepository,
    private readonly passwords: Passwords,
    private readonly mailer: Mailer,
    private readonly limiter: RefusalLimiter,
    private readonly audit: AuditService,
    private readonly retention: Retention,
  ) {}

  onModuleInit(): void {
    this.retention.register({ table: 'password_reset', expired: this.repository.expired });
  }

  /**
   * POST /auth/reset-password/request. What it takes to know whether there is such an account is done after the answer.
   * @throws not_available without a mail server; rate_limited; capacity
   */
  request(caller: Principal, body: { email: string }): void {
    const email = body.email.toLowerCase();
    if (!this.mailer.isConfigured)
      throw new AppError(
        'not_available',
        'This server sends no mail (SMTP_URL); who runs it can make a link on its machine: npm run admin -- reset-link EMAIL',
      );
    this.limiter.refused(caller.address ?? '', `reset:${email}`);
    this.late.begin(async () => {
      const made = await this.db.tx(async (tx) => {
        const holder = await this.mailboxRows.lock(tx, 'email', email);
        if (!holder || !(await this.mailboxes.mayMail(tx, email))) return null;
        return { holder, ...(await this.write(tx, caller, holder, true)) };
      });
      return made && (() => this.mailer.send(mailOf(made.holder, made)));
    });
  }

  /** The admin command: a link for who cannot be mailed to. It proves no mailbox. @throws not_found */
  async makeLink(principal: Principal, email: string): Promise<ResetLink> {
    return this.db.tx(async (tx) => {
      const holder = await this.mailboxRows.lock(tx, 'email', email.toLowerCase());
      if (!holder) throw notFound('User');
      return this.write(tx, principal, holder, false);
    });
  }

  /**
   * POST /auth/reset-password/confirm: works once, and ends every session of the user. A mailed link of an account whose mailbox was never proven
   * proves it, with what follows from that (docs/adr/0018).
   * @throws not_found for any unusable link; rate_limited; validation
   */
  async confirm(caller: Principal, { token, newPassword }: ConfirmResetBody): Promise<VerifiedEmail> {
    const tokenHash = sha256(token);
    const userId = await this.repository.userOf(this.db.manager, tokenHash);
    if (userId === null) throw this.refuse(caller);
    const turn = { source: addressBucket(caller.address ?? '') };
    const passwordHash = await this.passwords.hash(newPassword, turn, 'newPassword');
    const reset = await this.db.tx(async (tx) => {
      const holder = await this.mailboxRows.lock(tx, 'user_id', userId);
      const spent = holder && (await this.repository.spend(tx, tokenHash));
      if (!spent) return null;
      const { email } = holder;
      if (!spent.mailed || holder.emailVerified) {
        await this.reset(tx, caller, holder, passwordHash);
        return { userId, email, left: [] };
      }
      return { userId, email, left: await this.mailboxes.takeOver(tx, caller, holder, passwordHash) };
    });
    if (!reset) throw this.refuse(caller);
    await this.mailboxes.tell(reset.email, reset.left);
    return reset;
  }

  private async reset(
    tx: EntityManager,
    caller: Principal,
    { userId, email }: Holder,
    passwordHash: string,
  ): Promise<void> {
    await this.users.setPassword(tx, userId, passwordHash);
    await this.sessions.deleteOfUser(tx, userId);
    await notify(tx, 'access_changed', `user:${userId}`);
    const principal: Principal = { ...caller, kind: 'user', id: userId, name: email };
    await this.record(tx, principal, 'user.reset_password', userId);
  }

  private async write(
    tx: EntityManager,
    principal: Principal,
    { userId }: Holder,
    mailed: boolean,
  ): Promise<ResetLink> {
    const token = randomBytes(32).toString('base64url');
    const expiresAt = await this.repository.write(tx, userId, sha256(token), mailed);
    await this.record(tx, principal, mailed ? 'user.send_reset' : 'user.make_reset_link', userId);
    // In the fragment, which no browser sends: no proxy's log and no Referer has it.
    return { link: `${this.config.http.publicUrl.origin}/reset#token=${token}`, expiresAt };
  }

  private async record(tx: EntityManager, principal: Principal, action: string, userId: string): Promise<void> {
    await this.audit.record(tx, principal, { orgId: null, action, target: { type: 'user', id: userId } });
  }

  private refuse(caller: Principal): AppError {
    this.limiter.refused(caller.address ?? '');
    return new AppError('not_found', 'The link does not exist, has expired or was used');
  }
}

const mailOf = ({ email, emailVerified }: Holder, { link, expiresAt }: ResetLink) => ({
  to: email,
  subject: 'Choose a new password',
  text:
    `Somebody asked for a new password for the account of ${email}. If it was not you, nothing happens; give the link to nobody.\n\n` +
    (emailVerified
      ? ''
      : 'It was never proven that this mailbox belongs to the account. Using the link proves it: the account then loses the memberships that it has.\n\n') +
    `To choose one, open this link before ${expiresAt.toUTCString()}. Whoever was logged in with the account is logged out:\n\n${link}\n`,
});
