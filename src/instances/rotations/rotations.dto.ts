import { ApiProperty, ApiPropertyOptional, IntersectionType, PickType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsObject, IsString, MaxLength, ValidateNested } from 'class-validator';
import type { CredentialKind } from '#contracts';
import { BodyExample, IsIdList, IsInstant, MayBeAbsent, OffsetPagination } from '#platform';
import { JobItem } from '../../jobs/index.js';
import { SiteFilter } from '../../sites/index.js';
import { RotateCredentialBody } from '../credentials/credentials.dto.js';
import { RolloutSettings } from '../rollouts/rollout-settings.js';

const KINDS = ['api_key', 'psk', 'certificate', 'newt'] satisfies CredentialKind[];

/** Which sites take another credential; all of it combines, and `{}` is all of them. Those without a credential, and revoked ones, do not count. */
export class RotationFilter extends SiteFilter {
  @MayBeAbsent()
  @IsIdList(1000, 1)
  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'integer', minimum: 1 },
    minItems: 1,
    maxItems: 1000,
    uniqueItems: true,
  })
  siteIds?: number[];
  /** The kind of its credential. */
  @MayBeAbsent() @IsIn(KINDS) @ApiPropertyOptional({ enum: KINDS }) credentialKind?: CredentialKind;
  /** The certificate authority that issued its certificate: so a fleet moves to the next one. */
  @MayBeAbsent() @MaxLength(64) @IsString() caId?: string;
  /** Its credential expires before that. */
  @MayBeAbsent()
  @IsInstant()
  @IsString()
  @ApiPropertyOptional({ type: 'string', format: 'date-time' })
  expiresBefore?: string;
}

@BodyExample({ filter: { group: 'north' }, perMinute: 600, stopAtFailurePercent: 5, overlapSeconds: 3600 })
export class RotateFleetBody extends IntersectionType(
  PickType(RolloutSettings, ['perMinute', 'stopAtFailurePercent'] as const),
  RotateCredentialBody,
) {
  @ValidateNested() @IsObject() @Type(() => RotationFilter) filter: RotationFilter;
}

/** The rotation of a fleet. How its sites stand is of now, after its end too. */
export class FleetRotation extends PickType(JobItem, [
  'jobId',
  'status',
  'createdBy',
  'createdAt',
  'startedAt',
  'finishedAt',
  'error',
] as const) {
  filter: RotationFilter;
  @ApiProperty({ type: 'integer', nullable: true }) perMinute: number | null;
  @ApiProperty({ type: 'number', format: 'double' }) stopAtFailurePercent: number;
  overlapSeconds: number;
  /** Sites that it concerned when it began. */
  total: number;
  /** Sites that were asked to take another credential. */
  asked: number;
  /** Of those: they have used it. */
  rotated: number;
  /** They take it when they connect or renew. */
  waiting: number;
  /** Their program cannot take one: an unmodified newt, or an older agent. */
  cannotTake: number;
  /** They were handed it, are connected, and have not used it for 15 minutes. */
  failed: number;
  /** They were deleted or revoked meanwhile, or asked anew by somebody else. */
  gone: number;
}

export class FleetRotationList {
  rotations: FleetRotation[];
  pagination: OffsetPagination;
}
