import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  AppError,
  addressBucket,
  Config,
  conflict,
  Db,
  Mailer,
  notFound,
  notify,
  type Principal,
  quoted,
  RefusalLimiter,
  Retention,
  randomLower,
  sha256,
} from '#platform';
import { AuditService, EventsService } from '../../audit/index.js';
import { SessionsRepository } from '../sessions/sessions.repository.js';
import { Passwords } from '../users/passwords.js';
import { UsersRepository } from '../users/users.repository.js';
import { LateWork } from './late-work.js';
import type { LeftOrganization, VerifiedEmail, VerifyEmailBody } from './mailboxes.dto.js';
import { type Holder, MailboxesRepository } from './mailboxes.repository.js';

/** Of [a-z0-9]: 124 bits, so that a code needs no count of wrong guesses. */
const CODE_LENGTH = 24;
/** Mails to one address within a day: by one organization, by the installation itself, and by all together. */
const MAILS = { own: 5, all: 20 };
const INSTALLATION = '';

/** Who holds an address after an invitation to it was accepted. */
export interface HeldAddress {
  userId: string;
  newUser: boolean;
  /** What ended because the mailbox was proven only now; null when nothing was taken over. */
  left: LeftOrganization[] | null;
}

/**
 * Who owns a mailbox (docs/adr/0018). An account that was made by a link of the API's answer is the inviting organization's alone, until
 * its mailbox is proven (a mailed link, or a mailed code) or a server administrator confirms it. A proof takes the account over.
 */
@Injectable()
export class MailboxesService implements OnModuleInit {
  readonly late = new LateWork();

  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: MailboxesRepository,
    private readonly users: UsersRepository,
    private readonly sessions: SessionsRepository,
    private readonly passwords: Passwords,
    private readonly mailer: Mailer,
    private readonly limiter: RefusalLimiter,
    private readonly audit: AuditService,
    private readonly events: EventsService,
    private readonly retention: Retention,
  ) {}

  onModuleInit(): void {
    this.retention.register({ table: 'mailbox_code', expired: this.repository.expiredCodes });
    this.retention.register({ table: 'mailed_address', expired: this.repository.expiredMails });
  }

  /** Whether an invitation to the address needs a password to be accepted: for a new user, and for one that is taken over. */
  async needsPassword(em: EntityManager, email: string, proven: boolean): Promise<boolean> {
    const holder = await this.repository.find(em, email);
    return !holder || (proven && !holder.emailVerified);
  }

  /**
   * The user of an address for whom an invitation is accepted. `proven`: by what was mailed to it. `passwordHash` was made before the
   * transaction, when `needsPassword` asked for one. Part of a larger act; what is taken over is audited here.
   * @throws conflict for an account whose mailbox is not proven, unless this proves it, and when it changed meanwhile
   */
  async hold(
    tx: EntityManager,
    caller: Principal,
    email: string,
    { proven, passwordHash }: { proven: boolean; passwordHash: string | null },
  ): Promise<HeldAddress> {
    const userId = randomLower(15);
    if (
      passwordHash !== null &&
      (await this.repository.insert(tx, { userId, email, passwordHash, emailVerified: proven }))
    )
      return { userId, newUser: true, left: null };
    const holder = await this.repository.lock(tx, 'email', email);
    if (holder?.emailVerified) return { userId: holder.userId, newUser: false, left: null };
    if (holder && !proven) {
      throw conflict(
        'The account of this address belongs to another invitation until its mailbox is proven; this one stays open: send it by mail, or have the account verified',
      );
    }
    if (!holder || passwordHash === null) throw conflict('The account of this address changed meanwhile; try again');
    return { userId: holder.userId, newUser: false, left: await this.takeOver(tx, caller, holder, passwordHash) };
  }

  /**
   * POST /auth/verify-email/request. The answer does not depend on whether there is such an account: what it takes to know is done after it.
   * @throws not_available without a mail server; rate_limited; capacity
   */
  request(caller: Principal, body: { email: string }): void {
    const email = body.email.toLowerCase();
    if (!this.mailer.isConfigured)
      throw new AppError(
        'not_available',
        'This server sends no mail (SMTP_URL); a server administrator can verify the account',
      );
    this.limiter.refused(caller.address ?? '', `code:${email}`);
    this.late.begin(() => this.makeCode(caller, email));
  }

  /**
   * POST /auth/verify-email: takes the account over. Works once.
   * @throws not_found for any unusable code; rate_limited; validation
   */
  async prove(caller: Principal, { code, newPassword }: VerifyEmailBody): Promise<VerifiedEmail> {
    const codeHash = sha256(code);
    if (!(await this.repository.hasCode(this.db.manager, codeHash))) throw this.refuse(caller);
    const passwordHash = await this.passwords.hash(
      newPassword,
      { source: addressBucket(caller.address ?? '') },
      'newPassword',
    );
    const proven = await this.db.tx(async (tx) => {
      const userId = await this.repository.userOfCode(tx, codeHash);
      const holder = userId === null ? null : await this.repository.lock(tx, 'user_id', userId);
      // Whoever proved or confirmed it meanwhile took the codes away.
      if (!holder || holder.emailVerified) return null;
      return {
        userId: holder.userId,
        email: holder.email,
        left: await this.takeOver(tx, caller, holder, passwordHash),
      };
    });
    if (!proven) throw this.refuse(caller);
    await this.tell(proven.email, proven.left);
    return proven;
  }

  /** POST /user/{userId}/verify and the admin command: somebody vouches for the account as it is. Repeating it changes nothing. @throws not_found */
  async confirm(principal: Principal, by: { userId: string } | { email: string }): Promise<string> {
    return this.db.tx(async (tx) => {
      const holder =
        'userId' in by
          ? await this.repository.lock(tx, 'user_id', by.userId)
          : await this.repository.lock(tx, 'email', by.email.toLowerCase());
      if (!holder) throw notFound('User');
      if (!holder.emailVerified) await this.repository.setVerified(tx, holder.userId);
      await this.audit.record(tx, principal, {
        orgId: null,
        action: 'user.verify',
        target: { type: 'user', id: holder.userId },
        details: { email: holder.email },
      });
      return holder.userId;
    });
  }

  /** Counts a mail that an organization, or the installation itself, is about to have sent. @returns whether it may be. */
  mayMail(tx: EntityManager, email: string, orgId = INSTALLATION): Promise<boolean> {
    return this.repository.countMail(tx, email, orgId, MAILS);
  }

  /** Tells the owner of a mailbox what ended when it was proven; a mail that fails is logged. */
  async tell(email: string, left: LeftOrganization[]): Promise<void> {
    if (left.length === 0) return;
    await this.mailer.send({
      to: email,
      subject: 'Your account was a member of organizations',
      text:
        `Your mailbox is now proven to be yours. An account for ${email} had been made before, by somebody who may not have been you. It has your new password, ` +
        `its sessions have ended, and so have its memberships in these organizations:\n\n${left.map(({ orgId, orgName }) => `  ${orgId} ${quoted(orgName)}\n`).join('')}\n` +
        `If you belong there, ask them to invite you.\n`,
    });
  }

  /** The new password; no session, code or membership of before stays. The organizations hear of it by event and audit. */
  async takeOver(
    tx: EntityManager,
    caller: Principal,
    { userId, email }: Holder,
    passwordHash: string,
  ): Promise<LeftOrganization[]> {
    const principal: Principal = { ...caller, kind: 'user', id: userId, name: email };
    const target = { type: 'user', id: userId };
    // First: without a membership an account that is not verified ends.
    await this.repository.setVerified(tx, userId);
    await this.users.setPassword(tx, userId, passwordHash);
    await this.sessions.deleteOfUser(tx, userId);
    const left = await this.repository.dropMemberships(tx, userId);
    await notify(tx, 'access_changed', `user:${userId}`);
    const reason = 'mailbox_proven';
    await this.events.emit(
      tx,
      ...left.map(({ orgId }) => ({ orgId, type: 'member.left' as const, data: { userId, email, reason } })),
    );
    await this.audit.recordMany(tx, [
      {
        principal,
        orgId: null,
        action: 'user.prove_mailbox',
        target,
        details: { left: left.map(({ orgId }) => orgId) },
      },
      ...left.map(({ orgId }) => ({ principal, orgId, action: 'org_user.remove', target, details: { reason } })),
    ]);
    return left;
  }

  private async makeCode(caller: Principal, email: string): Promise<(() => Promise<unknown>) | null> {
    const code = randomLower(CODE_LENGTH);
    const made = await this.db.tx(async (tx) => {
      const holder = await this.repository.lock(tx, 'email', email);
      if (!holder || holder.emailVerified || !(await this.mayMail(tx, email))) return false;
      await this.repository.addCode(tx, holder.userId, sha256(code));
      await this.audit.record(tx, caller, {
        orgId: null,
        action: 'user.send_code',
        target: { type: 'user', id: holder.userId },
      });
      return true;
    });
    return made ? () => this.sendCode(email, code) : null;
  }

  private sendCode(email: string, code: string): Promise<unknown> {
    return this.mailer.send({
      to: email,
      subject: 'Your code',
      text:
        `Somebody asked to prove that the mailbox ${email} is theirs. Whoever has this code gets the account of the address: with a new password, without its ` +
        `present sessions and memberships. Give it to nobody; if it was not you who asked, nothing happens.\n\n${code}\n\nTo use it within 24 hours:\n\n` +
        `POST ${this.config.http.publicUrl.origin}/api/v1/auth/verify-email\nContent-Type: application/json\n\n{"code": "${code}", "newPassword": "<your new password>"}\n`,
    });
  }

  private refuse(caller: Principal): AppError {
    this.limiter.refused(caller.address ?? '');
    return new AppError('not_found', 'The code does not exist, has expired or was used');
  }
}
