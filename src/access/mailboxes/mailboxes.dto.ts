import { IsString, Length, MaxLength } from 'class-validator';
import { BodyExample, MaxBytes } from '#platform';
import { MAX_PASSWORD_BYTES } from '../users/passwords.js';
import { IsMailbox } from './mailbox.js';

@BodyExample({ email: 'kim@example.com' })
export class RequestCodeBody {
  @IsMailbox()
  @MaxLength(254)
  email: string;
}

@BodyExample({ code: 'the-code-of-the-mail', newPassword: 'correct horse battery' })
export class VerifyEmailBody {
  /** As the mail has it; good for 24 hours, once. */
  @IsString()
  @Length(1, 64)
  code: string;

  /** 8 to 72 bytes: from now on the account's only password. */
  @IsString()
  @Length(1, MAX_PASSWORD_BYTES)
  @MaxBytes(MAX_PASSWORD_BYTES)
  newPassword: string;
}

@BodyExample({ email: 'kim@example.com' })
export class RequestResetBody {
  @IsMailbox()
  @MaxLength(254)
  email: string;
}

@BodyExample({ token: 'the-token-of-the-link', newPassword: 'correct horse battery' })
export class ConfirmResetBody {
  /** As the link has it behind `#token=`; good for an hour, once. */
  @IsString()
  @Length(1, 64)
  token: string;

  /** 8 to 72 bytes: from now on the account's only password. */
  @IsString()
  @Length(1, MAX_PASSWORD_BYTES)
  @MaxBytes(MAX_PASSWORD_BYTES)
  newPassword: string;
}

export class LeftOrganization {
  orgId: string;
  orgName: string;
}

export class VerifiedEmail {
  userId: string;
  email: string;
  /** Memberships that the account had before its mailbox was proven; they ended with it. */
  left: LeftOrganization[];
}
