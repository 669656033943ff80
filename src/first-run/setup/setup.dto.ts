import { IsNotEmpty, IsString, Length, MaxLength } from 'class-validator';
import { BodyExample, IsName, MayBeAbsent } from '#platform';
import { IsMailbox } from '../../access/index.js';

@BodyExample({
  token: 'the part of the link behind its last sign',
  email: 'operator@example.com',
  password: 'a long password',
  organizationName: 'Example',
})
export class SetUpBody {
  /** Of the link that the start printed: what is behind `#token=`. */
  @MaxLength(64) @IsNotEmpty() @IsString() token: string;
  /** Of the first server administrator from now on. */
  @IsMailbox() email: string;
  /** 8 to 72 bytes. */
  @MaxLength(256) @IsString() password: string;
  /** What the first organization is called; as it was when absent. */
  @MayBeAbsent() @IsName() @Length(1, 255) @IsString() organizationName?: string;
}

export class SetUpView {
  userId: string;
  email: string;
  /** The first organization; null when it was deleted meanwhile. */
  orgId: string | null;
  /** Of the session that begins. */
  expiresAt: Date;
}
