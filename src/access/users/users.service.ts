import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  AppError,
  addressBucket,
  conflict,
  Db,
  isUniqueViolation,
  notFound,
  notify,
  type Principal,
  randomLower,
  TenantResolvers,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { SessionsRepository } from '../sessions/sessions.repository.js';
import { Passwords } from './passwords.js';
import type { AnyUserView, TwoFactorView } from './users.dto.js';
import { UsersRepository } from './users.repository.js';

export interface NewUser {
  email: string;
  name?: string | null;
  /** From `hashPassword`, made before the transaction. */
  passwordHash: string;
  serverAdmin?: boolean;
}

/** Users and their memberships. */
@Injectable()
export class UsersService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: UsersRepository,
    private readonly sessions: SessionsRepository,
    private readonly passwords: Passwords,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
  ) {}

  onModuleInit(): void {
    this.resolvers.register('userId', async (value, { authority }, orgId) => {
      if (orgId !== undefined)
        return (await this.repository.isMember(this.db.manager, orgId, value)) ? { orgId } : null;
      // Before the organization is known, whether there is such a user is nothing for its keys and people; the act itself asks for a member.
      if (authority.kind !== 'rootKey' && !(authority.kind === 'user' && authority.serverAdmin)) return { orgId: null };
      return (await this.repository.find(this.db.manager, value)) ? { orgId: null } : null;
    });
  }

  /** bcrypt, in the turn of who asks; call it before the transaction. @throws validation when the length is outside 8 to 72 bytes; capacity */
  hashPassword({ address }: Pick<Principal, 'address'>, password: string): Promise<string> {
    return this.passwords.hash(password, { source: addressBucket(address ?? '') });
  }

  /** A user whom the installation itself makes, and vouches for. @returns the new user's id. @throws conflict when the address is taken. */
  async createUser(tx: EntityManager, principal: Principal, user: NewUser): Promise<string> {
    const userId = randomLower(15);
    const email = user.email.toLowerCase();
    const { name = null, passwordHash, serverAdmin = false } = user;
    try {
      await this.repository.insert(tx, {
        userId,
        email,
        username: email,
        name,
        passwordHash,
        emailVerified: true,
        serverAdmin,
      });
    } catch (error) {
      throw isUniqueViolation(error, 'user_email') ? conflict('A user with this e-mail address exists') : error;
    }
    await this.audit.record(tx, principal, {
      orgId: null,
      action: 'user.create',
      target: { type: 'user', id: userId },
      details: { email, serverAdmin },
    });
    return userId;
  }

  /** Sets a new password and ends every session of the user: for the admin command. @throws not_found, validation */
  async resetPassword(principal: Principal, email: string, password: string): Promise<void> {
    const passwordHash = await this.hashPassword(principal, password);
    await this.db.tx(async (tx) => {
      const user = await this.repository.credentialsOf(tx, email.toLowerCase());
      if (!user) throw notFound('User');
      await this.repository.setPassword(tx, user.userId, passwordHash);
      await this.sessions.deleteOfUser(tx, user.userId);
      await notify(tx, 'access_changed', `user:${user.userId}`);
      await this.audit.record(tx, principal, {
        orgId: null,
        action: 'user.reset_password',
        target: { type: 'user', id: user.userId },
      });
    });
  }

  /**
   * Gives a user another address and password, and ends their sessions. Part of a larger act, which is audited by its own name.
   * @throws conflict when the address is somebody else's
   */
  async setIdentity(
    tx: EntityManager,
    userId: string,
    { email, passwordHash }: { email: string; passwordHash: string },
  ): Promise<void> {
    try {
      await this.repository.setAddress(tx, userId, email);
    } catch (error) {
      throw isUniqueViolation(error) ? conflict('A user with this e-mail address exists') : error;
    }
    await this.repository.setPassword(tx, userId, passwordHash);
    await this.sessions.deleteOfUser(tx, userId);
    await notify(tx, 'access_changed', `user:${userId}`);
  }

  /** Makes a user a member; role ids of another organization are not taken. Part of a larger act, which is audited by its own name. */
  async addMember(
    tx: EntityManager,
    orgId: string,
    userId: string,
    member: { isOwner?: boolean; roleIds: number[] },
  ): Promise<void> {
    await this.repository.addMember(tx, orgId, userId, member.isOwner ?? false, member.roleIds);
    await notify(tx, 'access_changed', `user:${userId}`);
  }

  /** The oldest server administrator: owns organizations that a key creates. */
  firstServerAdmin(tx: EntityManager): Promise<string | null> {
    return this.repository.firstServerAdmin(tx);
  }

  /** Whether somebody with the address is a member. */
  isMemberByEmail(em: EntityManager, orgId: string, email: string): Promise<boolean> {
    return this.repository.isMemberByEmail(em, orgId, email);
  }

  isMember(em: EntityManager, orgId: string, userId: string): Promise<boolean> {
    return this.repository.isMember(em, orgId, userId);
  }

  /** GET /user/{userId}. @throws not_found */
  async get(_principal: Principal, userId: string): Promise<AnyUserView> {
    const user = await this.repository.find(this.db.manager, userId);
    if (!user) throw notFound('User');
    const { email, username, name, emailVerified, serverAdmin, createdAt } = user;
    return {
      userId,
      email,
      username,
      name,
      type: 'internal',
      twoFactorEnabled: false,
      twoFactorSetupRequested: false,
      emailVerified,
      serverAdmin,
      idpId: null,
      idpName: null,
      dateCreated: createdAt,
    };
  }

  /** POST /user/{userId}/2fa. @throws not_available to ask for what no login enforces yet */
  async setTwoFactor(principal: Principal, userId: string, requested: boolean): Promise<TwoFactorView> {
    const path = 'twoFactorSetupRequested';
    if (requested)
      throw new AppError('not_available', 'A second factor is not available yet', {
        fields: [{ path, problem: 'is not available yet' }],
      });
    await this.audit.record(this.db.manager, principal, {
      orgId: null,
      action: 'user.set_two_factor',
      target: { type: 'user', id: userId },
      details: { requested },
    });
    return { userId, twoFactorSetupRequested: false };
  }
}
