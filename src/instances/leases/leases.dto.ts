import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { BodyExample } from '#platform';

/** What a site asks a lease with. */
@BodyExample({ nonce: 'b2VkZXMgbm90IG1hdHRlcg', prev: null, ver: 0 })
export class LeaseBody {
  /** Chosen anew for each request, 16 to 128 of base64url; the answer holds it. */
  @Matches(/^[\w-]{16,128}$/, { message: 'nonce must be 16 to 128 characters of base64url' }) nonce: string;
  /** `jti` of the lease before; null for the first. */
  @IsOptional()
  @MaxLength(64)
  @IsString()
  @ApiPropertyOptional({ type: 'string', nullable: true, maxLength: 64 })
  prev?: string | null;
  /** The version of the bundle that the instance holds, 0 for none. */
  @Max(Number.MAX_SAFE_INTEGER) @Min(0) @IsInt() ver: number;
}

export class LeaseView {
  /** A JWS, `gatehouse-lease+jws`. */
  lease: string;
}
