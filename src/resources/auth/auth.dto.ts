import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, ValidateIf } from 'class-validator';
import { TEXTS } from '#blueprint';
import { BodyExample, TextField, TextListField } from '#platform';

/** The field must be there; null is a value. */
const OrNull = () => ValidateIf((_, value) => value !== null);

@BodyExample({ password: 'correct horse battery' })
export class PasswordBody {
  /** null takes the password away. */
  @OrNull() @TextField(TEXTS.password) @ApiProperty({ nullable: true }) password: string | null;
}

@BodyExample({ pincode: '271828' })
export class PincodeBody {
  /** Six digits; null takes the PIN away. */
  @OrNull() @TextField(TEXTS.pincode) @ApiProperty({ nullable: true, pattern: '^\\d{6}$' }) pincode: string | null;
}

/** Any null takes it away. */
@BodyExample({ user: 'import', password: 'correct horse battery', extendedCompatibility: false })
export class HeaderAuthBody {
  /** Without a colon. */
  @OrNull() @TextField(TEXTS.basicAuthUser) @ApiProperty({ nullable: true }) user: string | null;
  @OrNull() @TextField(TEXTS.basicAuthPassword) @ApiProperty({ nullable: true }) password: string | null;
  @OrNull() @IsBoolean() @ApiProperty({ type: 'boolean', nullable: true }) extendedCompatibility: boolean | null;
}

const MAX_EMAILS = 50;

@BodyExample({ emails: ['kim@example.com', '*@partner.example'] })
export class WhitelistBody {
  /** At most 50 e-mail addresses or `*@domain`; stored in lower case. */
  @TextListField(TEXTS.whitelistEmail, MAX_EMAILS) emails: string[];
}

@BodyExample({ email: 'kim@example.com' })
export class WhitelistEmailBody {
  @TextField(TEXTS.whitelistEmail) email: string;
}

export class WhitelistedEmail {
  email: string;
}

export class Whitelist {
  @ApiProperty({ type: [WhitelistedEmail] }) whitelist: WhitelistedEmail[];
}
