import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, IsString, IsUUID, Max, MaxLength, Min } from 'class-validator';
import { BodyExample, IsInstant, IsNetwork, MayBeAbsent, OffsetPagination, PageQuery, QueryInt } from '#platform';

export const OUTCOMES = ['created', 'recognised', 'reissued', 'contested', 'refused', 'capacity'] as const;

export class ClaimQuery extends PageQuery {
  @IsOptional() @IsString() @MaxLength(64) keyId?: string;
  /** The site that was made or found. */
  @QueryInt(1, Number.MAX_SAFE_INTEGER) siteId?: number;
  /** Source address, or a range of them in CIDR notation. */
  @MayBeAbsent() @IsNetwork() @MaxLength(64) @IsString() address?: string;
  @IsOptional() @IsIn(OUTCOMES) outcome?: (typeof OUTCOMES)[number];
  /** A MAC address in any spelling finds its stored form too. */
  @IsOptional() @IsString() @MaxLength(128) hardwareId?: string;
  /** Instant from which on, in ISO 8601, without a zone in UTC. */
  @IsOptional() @IsInstant() @IsString() from?: string;
  /** Instant before which, in ISO 8601, without a zone in UTC. */
  @IsOptional() @IsInstant() @IsString() to?: string;
}

export class InstallationClaimQuery extends ClaimQuery {
  /** Internal identity of an organization, deleted or not; `org.delete` of the audit names it. Absent: what belongs to none. */
  @IsOptional() @IsUUID() orgUid?: string;
}

export class ClaimView {
  claimId: number;
  orgId: string | null;
  keyId: string | null;
  generation: number | null;
  templateId: number | null;
  siteId: number | null;
  @ApiProperty({ enum: ['device', 'newt', 'est'] }) door: string;
  hardwareId: string | null;
  /** The spelling that was sent, where the template has a `hardwareIdForm` and it is another one. */
  sentHardwareId: string | null;
  address: string | null;
  @ApiProperty({ enum: OUTCOMES }) outcome: string;
  /** Why it was refused; never told to the caller. */
  reason: string | null;
  /** How often: recognised re-claims of a site are one row a day, refusals beyond 100 a minute one row. */
  count: number;
  lastSeenAt: Date;
  createdAt: Date;
}

export class ClaimList {
  claims: ClaimView[];
  pagination: OffsetPagination;
}

export class KeyRefusalQuery extends PageQuery {
  @MayBeAbsent() @MaxLength(64) @IsString() keyId?: string;
}

/** How often a key was refused for one reason. */
export class KeyRefusalView {
  keyId: string;
  /** null: the key was deleted. */
  keyName: string | null;
  reason: string;
  count: number;
  firstAt: Date;
  lastAt: Date;
  lastAddress: string | null;
}

export class KeyRefusalList {
  refusals: KeyRefusalView[];
  pagination: OffsetPagination;
}

export const DEFAULT_RECLAIM_SECONDS = 3600;

@BodyExample({ expiresInSeconds: 3600 })
export class AllowReclaimBody {
  /** How long the next claim may re-issue, at most a day. */
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(86_400)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 86_400, default: DEFAULT_RECLAIM_SECONDS })
  expiresInSeconds?: number;
}

export class AllowReclaimView {
  siteId: number;
  allowedUntil: Date;
}

export class ClaimsPausedView {
  claimsPaused: boolean;
}
