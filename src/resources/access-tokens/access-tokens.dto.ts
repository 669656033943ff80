import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { BodyExample, MayBeAbsent, OffsetPagination, TextField } from '#platform';

/** Some three hundred years. */
const MAX_SECONDS = 10_000_000_000;

@BodyExample({ title: 'Auditor, this week', validForSeconds: 604800 })
export class CreateAccessTokenBody {
  /** For ever when absent. */
  @MayBeAbsent()
  @Max(MAX_SECONDS)
  @Min(1)
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MAX_SECONDS })
  validForSeconds?: number;
  @TextField({ max: 255, name: true, empty: 'null' }, 'nullable') title?: string | null;
  @IsOptional() @MaxLength(2000) @IsString() description?: string | null;
}

class AccessTokenFields {
  accessTokenId: string;
  orgId: string;
  resourceId: number;
  /** Milliseconds since 1970; null: never. */
  expiresAt: number | null;
  /** Milliseconds that a session begun with it lasts. */
  sessionLength: number;
  title: string | null;
  description: string | null;
  /** Milliseconds since 1970. */
  createdAt: number;
}

/** docs/integration-api.md §3.14 */
export class CreatedAccessToken extends AccessTokenFields {
  /** Shown once. */
  accessToken: string;
  /** What somebody opens who has it, with the token: shown once. null where a browser cannot open the resource. */
  url: string | null;
}

export class AccessTokenItem extends AccessTokenFields {
  resourceName: string;
  resourceNiceId: string;
  /** Of the first target's site. */
  siteName: string | null;
}

export class AccessTokenList {
  @ApiProperty({ type: [AccessTokenItem] }) accessTokens: AccessTokenItem[];
  pagination: OffsetPagination;
}
