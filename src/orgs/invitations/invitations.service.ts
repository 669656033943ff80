import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  AppError,
  type Columns,
  Config,
  conflict,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  Hooks,
  invalid,
  Mailer,
  notFound,
  OrgExports,
  type PageQuery,
  type Principal,
  quoted,
  RefusalLimiter,
  Retention,
  randomAlphanumeric,
  sameBytes,
  sha256,
  shapeA,
  TenantResolvers,
  windowOf,
} from '#platform';
import { MailboxesService, needsReplacement, RolesService, roleIdsOf, UsersService } from '../../access/index.js';
import { AuditService } from '../../audit/index.js';
import { OrgsService } from '../orgs.service.js';
import type {
  AcceptedInvite,
  AcceptInviteBody,
  CreatedInvite,
  CreateInviteBody,
  InvitationList,
  InvitationView,
} from './invitations.dto.js';
import { InvitationsRepository, type InvitationTokens } from './invitations.repository.js';

const ID_LENGTH = 10;
const TOKEN_LENGTH = 32;
const PRESENTED = new RegExp(`^([A-Za-z0-9]{${ID_LENGTH}})-([A-Za-z0-9]{${TOKEN_LENGTH}})$`);
const NEW_LINKS_PER_HOUR = 3;

const TOO_MANY_MAILS = 'enough was mailed to this address for today; hand the link over another way';

const COLUMNS: Columns<InvitationView> = {
  inviteId: true,
  email: true,
  expiresAt: true,
  roles: true,
};

interface FreshInvitation {
  inviteId: string;
  tokens: InvitationTokens;
}

/**
 * Invitations (docs/integration-api.md §3.10). One has up to two links, stored as the hashes of their tokens: the answer's, and one that goes by
 * mail alone. Only the mailed one proves that who accepts owns the mailbox (docs/adr/0018).
 */
@Injectable()
export class InvitationsService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: InvitationsRepository,
    private readonly orgs: OrgsService,
    private readonly roles: RolesService,
    private readonly users: UsersService,
    private readonly mailboxes: MailboxesService,
    private readonly mailer: Mailer,
    private readonly limiter: RefusalLimiter,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly retention: Retention,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('invitations', 'listInvitations', ({ orgId }) => this.all(orgId));
    this.resolvers.register('inviteId', async (value) => {
      const orgId = await this.repository.orgOf(this.db.manager, value);
      return orgId === null ? null : { orgId };
    });
    this.hooks.roleReplacing.register(async (tx, _orgId, roleId, replacement) => {
      if (replacement) await this.repository.replaceRole(tx, roleId, replacement.roleId);
      else if (await this.repository.isPromised(tx, roleId)) throw needsReplacement('an invitation promises');
    });
    // Kept for the hour in which new links count.
    this.retention.register({ table: 'invitation', expired: `expires_at < now() - interval '1 hour'` });
  }

  /**
   * POST /org/{orgId}/create-invite. The mail is sent after the commit; a failed one loses nothing, a link is in the answer.
   * What is mailed to one address is bounded, whoever sends it.
   * @throws conflict for a member and for an address that has an invitation, unless `regenerate`; rate_limited; not_found for a role
   */
  async create(principal: Principal, orgId: string, body: CreateInviteBody): Promise<CreatedInvite> {
    const email = body.email.toLowerCase();
    const roleIds = roleIdsOf(body);
    const [answered, mailed] = [randomAlphanumeric(TOKEN_LENGTH), randomAlphanumeric(TOKEN_LENGTH)];
    const { created, orgName, inviteId, mayMail } = await this.db.tx(async (tx) => {
      const orgName = await this.orgs.nameOf(tx, orgId);
      await this.roles.requireGrantable(tx, principal, orgId, roleIds);
      if (await this.users.isMemberByEmail(tx, orgId, email))
        throw conflict('This user is already a member of the organization');
      const mayMail =
        body.sendEmail === true && this.mailer.isConfigured && (await this.mailboxes.mayMail(tx, email, orgId));
      const fresh = {
        inviteId: randomAlphanumeric(ID_LENGTH),
        tokens: { answered: sha256(answered), mailed: mayMail ? sha256(mailed) : null },
      };
      const { inviteId, expiresAt, again } = await this.write(tx, orgId, email, fresh, body);
      await this.repository.setRoles(tx, inviteId, roleIds);
      await this.record(tx, principal, orgId, again ? 'invitation.regenerate' : 'invitation.create', inviteId, {
        email,
        roleIds,
      });
      return {
        created: { inviteLink: this.linkOf(inviteId, answered, email), expiresAt, emailSent: false },
        orgName,
        inviteId,
        mayMail,
      };
    });
    if (!body.sendEmail) return created;
    if (this.mailer.isConfigured && !mayMail) return { ...created, emailError: TOO_MANY_MAILS };
    const emailError = await this.send(orgName, email, {
      ...created,
      inviteLink: this.linkOf(inviteId, mailed, email),
    });
    return { ...created, ...(emailError === null ? { emailSent: true } : { emailError }) };
  }

  /** GET /org/{orgId}/invitations, shape A. */
  /** By address. */
  async list(
    _principal: Principal,
    orgId: string,
    query: PageQuery,
    format?: ExportFormat,
  ): Promise<InvitationList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId));
    const window = windowOf(query, 1000);
    const invitations = await this.repository.list(this.db.manager, orgId, window);
    return { invitations, pagination: shapeA(await this.repository.count(this.db.manager, orgId), window) };
  }

  private all(orgId: string): ExportSource<InvitationView, string> {
    return {
      name: 'invitations',
      columns: COLUMNS,
      page: (after, limit) => this.repository.after(this.db.manager, orgId, after, limit),
      keyOf: ({ email }) => email,
    };
  }

  /** @throws not_found, for an expired one too */
  async get(_principal: Principal, orgId: string, inviteId: string): Promise<InvitationView> {
    const invitation = await this.repository.find(this.db.manager, orgId, inviteId);
    if (!invitation) throw notFound('Invitation');
    return invitation;
  }

  async delete(principal: Principal, orgId: string, inviteId: string): Promise<void> {
    await this.db.tx(async (tx) => {
      if (!(await this.repository.delete(tx, orgId, inviteId))) throw notFound('Invitation');
      await this.record(tx, principal, orgId, 'invitation.delete', inviteId);
    });
  }

  /**
   * POST /invite/accept: the user of the address, made if there is none, becomes a member. The mailed link also proves the mailbox, and takes
   * over an account that somebody else had made of it. Works once. What is wrong with a token is not told; only refusals count against the address and the invitation (docs/claims.md rule 10).
   * @throws not_found for any unusable token; rate_limited; validation when a password is needed; conflict for a member, and for
   * an unproven account of another invitation
   */
  async accept(caller: Principal, { token, password }: AcceptInviteBody): Promise<AcceptedInvite> {
    const [, inviteId = '', secret = ''] = PRESENTED.exec(token) ?? [];
    const tokenHash = sha256(secret);
    const invitation = inviteId === '' ? null : await this.repository.open(this.db.manager, inviteId);
    const proven = invitation?.tokens.mailed ? sameBytes(invitation.tokens.mailed, tokenHash) : false;
    if (!invitation || !(proven || sameBytes(invitation.tokens.answered, tokenHash)))
      throw this.refuse(caller, inviteId);
    const { orgId, email } = invitation;
    const needed = await this.mailboxes.needsPassword(this.db.manager, email, proven);
    if (needed && password === undefined)
      throw invalid('password', 'is needed: the address has no user whose mailbox is proven');
    const passwordHash = needed ? await this.users.hashPassword(caller, password!) : null;
    const accepted = await this.db.tx(async (tx) => {
      const roleIds = await this.repository.spend(tx, inviteId, tokenHash);
      if (!roleIds) return null;
      const { userId, newUser, left } = await this.mailboxes.hold(tx, caller, email, { proven, passwordHash });
      if (await this.users.isMember(tx, orgId, userId))
        throw conflict('This user is already a member of the organization');
      await this.users.addMember(tx, orgId, userId, { roleIds });
      await this.record(
        tx,
        { ...caller, kind: 'user', id: userId, name: email },
        orgId,
        'invitation.accept',
        inviteId,
        { email, roleIds, newUser, proven },
      );
      return { userId, left };
    });
    if (!accepted) throw this.refuse(caller, inviteId);
    await this.mailboxes.tell(email, accepted.left ?? []);
    return { accepted: true, orgId, userId: accepted.userId };
  }

  /** A new invitation, or new tokens for the one that the address has. */
  private async write(
    tx: EntityManager,
    orgId: string,
    email: string,
    { inviteId, tokens }: FreshInvitation,
    { validHours, regenerate = false }: CreateInviteBody,
  ): Promise<{ inviteId: string; expiresAt: number; again: boolean }> {
    const expiresAt = await this.repository.insert(tx, { inviteId, orgId, email, tokens, validHours });
    if (expiresAt !== null) return { inviteId, expiresAt, again: false };
    const held = await this.repository.lock(tx, orgId, email);
    // Accepted or revoked between the two statements.
    if (!held) throw conflict('The invitation of this address has just been used or revoked');
    if (!regenerate && !held.expired)
      throw conflict('This address has an invitation already; regenerate makes its link anew');
    if (held.regenerated >= NEW_LINKS_PER_HOUR) {
      throw new AppError(
        'rate_limited',
        `The link of an invitation is made anew at most ${NEW_LINKS_PER_HOUR} times an hour`,
        { retryAfter: held.retryAfter },
      );
    }
    return {
      inviteId: held.inviteId,
      expiresAt: await this.repository.regenerate(tx, held.inviteId, tokens, validHours),
      again: true,
    };
  }

  private linkOf(inviteId: string, token: string, email: string): string {
    return `${this.config.http.publicUrl.origin}/invite?token=${inviteId}-${token}&email=${encodeURIComponent(email)}`;
  }

  private send(orgName: string, email: string, { inviteLink, expiresAt }: CreatedInvite): Promise<string | null> {
    return this.mailer.send({
      to: email,
      subject: `Invitation to ${quoted(orgName)}`,
      text:
        `You are invited to the organization ${quoted(orgName)}.\n\nTo accept, open this link before ${new Date(expiresAt).toUTCString()}:\n\n${inviteLink}\n\n` +
        `Or accept by the API; the password is the one that you will log in with, and may be left out if you have a verified user here:\n\n` +
        `POST ${this.config.http.publicUrl.origin}/api/v1/invite/accept\nContent-Type: application/json\n\n` +
        `{"token": "${new URL(inviteLink).searchParams.get('token')}", "password": "<your password>"}\n`,
    });
  }

  private refuse(caller: Principal, inviteId: string): AppError {
    this.limiter.refused(caller.address ?? '', inviteId === '' ? undefined : `invite:${inviteId}`);
    return new AppError('not_found', 'The invitation does not exist, has expired or was used');
  }

  private async record(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    action: string,
    inviteId: string,
    details?: Record<string, unknown>,
  ): Promise<void> {
    await this.audit.record(tx, principal, {
      orgId,
      action,
      target: { type: 'invitation', id: inviteId },
      ...(details ? { details } : {}),
    });
  }
}
