import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsString, isEmail, Length, Matches, MaxLength, ValidateBy, ValidateIf } from 'class-validator';
import { BodyExample, RuleWithin, sizeProblem } from '#platform';
import { isDomainName } from '../names.js';

/** The field must be there; null is a value. */
const OrNull = () => ValidateIf((_, value) => value !== null);

/** An e-mail address, or `*@domain` for everybody there. */
export const isAllowedEmail = (value: unknown): boolean =>
  typeof value === 'string' && (value.startsWith('*@') ? isDomainName(value.slice(2)) : isEmail(value));

@BodyExample({ password: 'correct horse battery' })
export class PasswordBody {
  /** null takes the password away. */
  @OrNull()
  @Length(4, 100)
  @IsString()
  @ApiProperty({ type: 'string', nullable: true, minLength: 4, maxLength: 100 })
  password: string | null;
}

@BodyExample({ pincode: '271828' })
export class PincodeBody {
  /** Six digits; null takes the PIN away. */
  @OrNull()
  @Matches(/^\d{6}$/, { message: '$property must be six digits' })
  @IsString()
  @ApiProperty({ type: 'string', nullable: true, pattern: '^\\d{6}$' })
  pincode: string | null;
}

/** Any null takes it away. */
@BodyExample({ user: 'import', password: 'correct horse battery', extendedCompatibility: false })
export class HeaderAuthBody {
  @OrNull()
  @Length(4, 100)
  @IsString()
  @ApiProperty({ type: 'string', nullable: true, minLength: 4, maxLength: 100 })
  user: string | null;
  @OrNull()
  @Length(4, 100)
  @IsString()
  @ApiProperty({ type: 'string', nullable: true, minLength: 4, maxLength: 100 })
  password: string | null;
  @OrNull() @IsBoolean() @ApiProperty({ type: 'boolean', nullable: true }) extendedCompatibility: boolean | null;
}

@BodyExample({ emails: ['kim@example.com', '*@partner.example'] })
export class WhitelistBody {
  /** At most 50 e-mail addresses or `*@domain`; stored in lower case. */
  @RuleWithin('isWhitelist', (value) => {
    const size = sizeProblem(value, 50);
    return size.length > 0
      ? size
      : (value as unknown[]).flatMap((email, i) =>
          isAllowedEmail(email) ? [] : [{ place: String(i), problem: 'must be an e-mail address, or *@domain' }],
        );
  })
  @ApiProperty({ type: 'array', maxItems: 50, items: { type: 'string' } })
  emails: string[];
}

@BodyExample({ email: 'kim@example.com' })
export class WhitelistEmailBody {
  @ValidateBy({
    name: 'isAllowedEmail',
    validator: { validate: isAllowedEmail, defaultMessage: () => '$property must be an e-mail address, or *@domain' },
  })
  @MaxLength(320)
  @IsString()
  email: string;
}

export class WhitelistedEmail {
  email: string;
}

export class Whitelist {
  @ApiProperty({ type: [WhitelistedEmail] }) whitelist: WhitelistedEmail[];
}
