import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, IsString, IsUUID, Max, MaxLength, Min } from 'class-validator';
import { BodyExample, IsInstant, MayBeAbsent, OffsetPagination, PageQuery } from '#platform';

export const OUTCOMES = ['created', 'recognised', 'reissued', 'contested', 'refused', 'capacity'] as const;

export class ClaimQuery extends PageQuery {
  @IsOptional() @IsString() @MaxLength(64) keyId?: string;
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
  /** How often: recognised re-claims count on the first claim, refusals beyond 100 a minute on one row. */
  count: number;
  lastSeenAt: Date;
  createdAt: Date;
}

export class ClaimList {
  claims: ClaimView[];
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
