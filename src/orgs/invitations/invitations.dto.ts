import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsNumber, IsString, Length, Max, MaxLength } from 'class-validator';
import { BodyExample, MaxBytes, MayBeAbsent, MoreThan, OffsetPagination } from '#platform';
import { IsMailbox, RolesBody } from '../../access/index.js';

const MAX_HOURS = 168;

@BodyExample({ email: 'kim@example.com', roleIds: [2], validHours: 48, sendEmail: true })
export class CreateInviteBody extends RolesBody {
  @IsMailbox()
  @MaxLength(254)
  email: string;

  /** More than 0, at most 168. */
  @ApiProperty({ type: 'number', format: 'double', minimum: 0, not: { enum: [0] }, maximum: MAX_HOURS })
  @IsNumber()
  @MoreThan(0)
  @Max(MAX_HOURS)
  validHours: number;

  /** Sends a link by mail, one that proves the mailbox, when the server has SMTP_URL [false]. */
  @MayBeAbsent() @IsBoolean() @ApiPropertyOptional() sendEmail?: boolean;

  /** Makes the link of an invitation anew, with these roles; at most three times an hour for one address. */
  @MayBeAbsent() @IsBoolean() @ApiPropertyOptional() regenerate?: boolean;
}

export class CreatedInvite {
  /**
   * Shown once; holds a token. It does not prove whose mailbox it is, unlike the link in the mail: an account that it makes is not
   * verified, and stays in this organization alone.
   */
  inviteLink: string;
  /** Milliseconds since 1970. */
  @ApiProperty({ type: 'integer', format: 'int64' }) expiresAt: number;
  /** Whether a mail server took the mail. */
  emailSent: boolean;
  /** Why it was not sent, when it was asked for. */
  emailError?: string;
}

export class InvitationRole {
  roleId: number;
  roleName: string;
}

export class InvitationView {
  inviteId: string;
  email: string;
  /** Milliseconds since 1970. */
  @ApiProperty({ type: 'integer', format: 'int64' }) expiresAt: number;
  roles: InvitationRole[];
}

export class InvitationList {
  invitations: InvitationView[];
  pagination: OffsetPagination;
}

@BodyExample({ token: 'the-token-of-the-link', password: 'correct horse battery' })
export class AcceptInviteBody {
  /** `<inviteId>-<token>`, as the link has it. */
  @IsString()
  @Length(1, 100)
  token: string;

  /** 8 to 72 bytes; of the user that is made when the address has none, or whose mailbox this proves; otherwise not looked at. */
  @MayBeAbsent()
  @IsString()
  @Length(1, 72)
  @MaxBytes(72)
  @ApiPropertyOptional()
  password?: string;
}

export class AcceptedInvite {
  @ApiProperty({ enum: [true] }) accepted: boolean;
  orgId: string;
  userId: string;
}
