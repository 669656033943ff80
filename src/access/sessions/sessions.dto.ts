import { IsString, Length } from 'class-validator';
import { BodyExample, MaxBytes, OffsetPagination } from '#platform';
import { MAX_PASSWORD_BYTES } from '../users/passwords.js';

@BodyExample({ email: 'admin@example.com', password: 'correct horse battery' })
export class LoginBody {
  @IsString()
  @Length(1, 254)
  email: string;

  /** At most 72 bytes: bcrypt looks at no more. */
  @IsString()
  @Length(1, MAX_PASSWORD_BYTES)
  @MaxBytes(MAX_PASSWORD_BYTES)
  password: string;
}

@BodyExample({ currentPassword: 'correct horse battery', newPassword: 'staple of another stable' })
export class ChangePasswordBody {
  @IsString()
  @Length(1, MAX_PASSWORD_BYTES)
  @MaxBytes(MAX_PASSWORD_BYTES)
  currentPassword: string;

  /** 8 to 72 bytes. */
  @IsString()
  @Length(1, MAX_PASSWORD_BYTES)
  @MaxBytes(MAX_PASSWORD_BYTES)
  newPassword: string;
}

/** The session itself is in the cookie. */
export class LoginView {
  userId: string;
  email: string;
  expiresAt: Date;
}

export class UserRoleView {
  roleId: number;
  name: string;
  isAdmin: boolean;
}

export class UserMembershipView {
  orgId: string;
  orgName: string;
  isOwner: boolean;
  roles: UserRoleView[];
  /** What the roles allow in this organization. */
  actions: string[];
}

export class UserView {
  userId: string;
  email: string;
  /** Whether the mailbox was proven or confirmed; until then the account belongs to one organization. */
  emailVerified: boolean;
  username: string;
  name: string | null;
  /** Holds every action in every organization, member or not. */
  serverAdmin: boolean;
  memberships: UserMembershipView[];
}

/** A session of the caller's. */
export class OwnSession {
  sessionId: string;
  /** The one that asks. */
  isCurrent: boolean;
  /** What its browser called itself when it began; null where it said nothing, or began before this was kept. */
  userAgent: string | null;
  createdAt: Date;
  createdFrom: string | null;
  /** To the minute. */
  lastUsedAt: Date | null;
  lastUsedFrom: string | null;
  expiresAt: Date;
}

export class OwnSessionList {
  sessions: OwnSession[];
  pagination: OffsetPagination;
}

export class EndedSessions {
  /** How many there were. */
  ended: number;
}
