import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  AppError, Config, conflict, Db, Hooks, invalid, Mailer, notFound, type PageQuery, type Principal, randomAlphanumeric, RefusalLimiter, Retention, sameBytes,
  sha256, shapeA, TenantResolvers, windowOf,
} from '../../../libs/platform/index.js';
import { roleIdsOf, RolesService, UsersService } from '../../access/index.js';
import { AuditService } from '../../audit/index.js';
import { OrgsService } from '../orgs.service.js';
import type { AcceptedInvite, AcceptInviteBody, CreatedInvite, CreateInviteBody, InvitationList, InvitationView } from './invitations.dto.js';
import { InvitationsRepository } from './invitations.repository.js';

const ID_LENGTH = 10;
const TOKEN_LENGTH = 32;
const PRESENTED = new RegExp(`^([A-Za-z0-9]{${ID_LENGTH}})-([A-Za-z0-9]{${TOKEN_LENGTH}})$`);
const NEW_LINKS_PER_HOUR = 3;

/** Invitations (integration-api.md §3.10). Stored is the hash of the token, which stands in the link alone. */
@Injectable()
export class InvitationsService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: InvitationsRepository,
    private readonly orgs: OrgsService,
    private readonly roles: RolesService,
    private readonly users: UsersService,
    private readonly mailer: Mailer,
    private readonly limiter: RefusalLimiter,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly retention: Retention,
    private readonly resolvers: TenantResolvers,
  ) {}

  onModuleInit(): void {
    this.resolvers.register('inviteId', async (value) => {
      const orgId = await this.repository.orgOf(this.db.manager, value);
      return orgId === null ? null : { orgId };
    });
    this.hooks.roleReplacing.register((tx, _orgId, roleId, replacement) => this.repository.replaceRole(tx, roleId, replacement.roleId));
    // Kept for the hour in which new links count.
    this.retention.register({ table: 'invitation', expired: `expires_at < now() - interval '1 hour'` });
  }

  /**
   * POST /org/{orgId}/create-invite. The mail is sent after the commit; a failed one loses nothing, the link is in the answer.
   * @throws conflict for a member and for an address that has an invitation, unless `regenerate`; rate_limited; not_found for a role
   */
  async create(principal: Principal, orgId: string, body: CreateInviteBody): Promise<CreatedInvite> {
    const email = body.email.toLowerCase();
    const roleIds = roleIdsOf(body);
    const fresh = { inviteId: randomAlphanumeric(ID_LENGTH), token: randomAlphanumeric(TOKEN_LENGTH) };
    let orgName = '';
    const created = await this.db.tx(async (tx) => {
      orgName = await this.orgs.nameOf(tx, orgId);
      await this.roles.requireGrantable(tx, principal, orgId, roleIds);
      if (await this.users.isMemberByEmail(tx, orgId, email)) throw conflict('This user is already a member of the organization');
      const { inviteId, expiresAt, again } = await this.write(tx, orgId, email, fresh, body);
      await this.repository.setRoles(tx, inviteId, roleIds);
      await this.record(tx, principal, orgId, again ? 'invitation.regenerate' : 'invitation.create', inviteId, { email, roleIds });
      return { inviteLink: this.linkOf(inviteId, fresh.token, email), expiresAt, emailSent: false };
    });
    if (!body.sendEmail) return created;
    const emailError = await this.send(orgName, email, created);
    return { ...created, ...(emailError === null ? { emailSent: true } : { emailError }) };
  }

  /** GET /org/{orgId}/invitations, shape A. */
  async list(_principal: Principal, orgId: string, query: PageQuery): Promise<InvitationList> {
    const window = windowOf(query, 1000);
    const invitations = await this.repository.list(this.db.manager, orgId, window);
    return { invitations, pagination: shapeA(await this.repository.count(this.db.manager, orgId), window) };
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
   * POST /invite/accept: the user of the address, made if there is none, becomes a member. Works once. What is wrong with a token is not told;
   * only refusals count against the address and the invitation (claims.md rule 10).
   * @throws not_found for any unusable token; rate_limited; validation when a password is needed; conflict for a member
   */
  async accept(caller: Principal, { token, password }: AcceptInviteBody): Promise<AcceptedInvite> {
    const [, inviteId = '', secret = ''] = PRESENTED.exec(token) ?? [];
    const tokenHash = sha256(secret);
    const invitation = inviteId === '' ? null : await this.repository.open(this.db.manager, inviteId);
    if (!invitation || !sameBytes(invitation.tokenHash, tokenHash)) throw this.refuse(caller, inviteId);
    const { orgId, email } = invitation;
    const known = await this.users.exists(this.db.manager, email);
    if (!known && password === undefined) throw invalid('password', 'is needed: the address has no user yet');
    const passwordHash = known ? null : await this.users.hashPassword(password!);
    const accepted = await this.db.tx(async (tx) => {
      const roleIds = await this.repository.spend(tx, inviteId, tokenHash);
      if (!roleIds) return null;
      const userId = await this.users.findOrCreate(tx, email, passwordHash);
      if (userId === null) throw conflict('The address belongs to another user');
      if (await this.users.isMember(tx, orgId, userId)) throw conflict('This user is already a member of the organization');
      await this.users.addMember(tx, orgId, userId, { roleIds });
      await this.record(tx, { ...caller, kind: 'user', id: userId, name: email }, orgId, 'invitation.accept', inviteId, { email, roleIds, newUser: passwordHash !== null });
      return { accepted: true, orgId, userId };
    });
    if (!accepted) throw this.refuse(caller, inviteId);
    return accepted;
  }

  /** A new invitation, or a new token for the one that the address has. */
  private async write(
    tx: EntityManager, orgId: string, email: string, fresh: { inviteId: string; token: string }, { validHours, regenerate = false }: CreateInviteBody,
  ): Promise<{ inviteId: string; expiresAt: number; again: boolean }> {
    const tokenHash = sha256(fresh.token);
    const expiresAt = await this.repository.insert(tx, { inviteId: fresh.inviteId, orgId, email, tokenHash, validHours });
    if (expiresAt !== null) return { inviteId: fresh.inviteId, expiresAt, again: false };
    const held = await this.repository.lock(tx, orgId, email);
    // Accepted or revoked between the two statements.
    if (!held) throw conflict('The invitation of this address has just been used or revoked');
    if (!regenerate && !held.expired) throw conflict('This address has an invitation already; regenerate makes its link anew');
    if (held.regenerated >= NEW_LINKS_PER_HOUR) {
      throw new AppError('rate_limited', `The link of an invitation is made anew at most ${NEW_LINKS_PER_HOUR} times an hour`, { retryAfter: held.retryAfter });
    }
    return { inviteId: held.inviteId, expiresAt: await this.repository.regenerate(tx, held.inviteId, tokenHash, validHours), again: true };
  }

  private linkOf(inviteId: string, token: string, email: string): string {
    return `${this.config.publicUrl.origin}/invite?token=${inviteId}-${token}&email=${encodeURIComponent(email)}`;
  }

  private send(orgName: string, email: string, { inviteLink, expiresAt }: CreatedInvite): Promise<string | null> {
    return this.mailer.send({
      to: email,
      subject: `Invitation to ${orgName}`,
      text:
        `You are invited to the organization ${orgName}.\n\nTo accept, open this link before ${new Date(expiresAt).toUTCString()}:\n\n${inviteLink}\n\n` +
        `Or accept by the API; the password is the one that you will log in with, and may be left out if you have a user here:\n\n` +
        `POST ${this.config.publicUrl.origin}/api/v1/invite/accept\nContent-Type: application/json\n\n` +
        `{"token": "${new URL(inviteLink).searchParams.get('token')}", "password": "<your password>"}\n`,
    });
  }

  private refuse(caller: Principal, inviteId: string): AppError {
    this.limiter.refused(caller.address ?? '', inviteId === '' ? undefined : `invite:${inviteId}`);
    return new AppError('not_found', 'The invitation does not exist, has expired or was used');
  }

  private async record(tx: EntityManager, principal: Principal, orgId: string, action: string, inviteId: string, details?: Record<string, unknown>): Promise<void> {
    await this.audit.record(tx, principal, { orgId, action, target: { type: 'invitation', id: inviteId }, ...(details ? { details } : {}) });
  }
}
