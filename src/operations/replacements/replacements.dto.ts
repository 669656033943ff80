import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsPositive, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { BodyExample, MayBeAbsent, OffsetPagination, PageQuery, QueryInt } from '#platform';

export const DEFAULT_WAIT_SECONDS = 86_400;
const MAX_WAIT_SECONDS = 2_592_000;

/** Either `bySiteId` or `hardwareId`. */
@BodyExample({ hardwareId: 'press-14-b', expiresInSeconds: 604_800 })
export class ReplaceSiteBody {
  /** A site of the organization whose device takes over; its own row goes. */
  @MayBeAbsent()
  @Max(Number.MAX_SAFE_INTEGER)
  @IsPositive()
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', minimum: 1 })
  bySiteId?: number;
  /** A device without a site: it takes over with its next claim. */
  @MayBeAbsent()
  @Matches(/^[\x20-\x7e]+$/, { message: '$property must be printable ASCII characters' })
  @MaxLength(128)
  @IsString()
  hardwareId?: string;
  /** How long its claim is waited for [86400]. */
  @MayBeAbsent()
  @IsInt()
  @Min(60)
  @Max(MAX_WAIT_SECONDS)
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 60,
    maximum: MAX_WAIT_SECONDS,
    default: DEFAULT_WAIT_SECONDS,
  })
  expiresInSeconds?: number;
}

/** How far it is. */
export class ReplacementView {
  siteId: number;
  /** `done`: the site has the device; `waiting`: for the claim of the device. */
  @ApiProperty({ enum: ['done', 'waiting'] }) state: 'done' | 'waiting';
  hardwareId: string | null;
  /** Until when its claim is waited for. */
  expiresAt: Date | null;
}

export class ListReplacementsQuery extends PageQuery {
  /** Of this site alone. */
  @QueryInt(1, Number.MAX_SAFE_INTEGER) siteId?: number;
}

/** A replacement that waits for the claim of its device. */
export class WaitingReplacementView {
  siteId: number;
  niceId: string;
  name: string;
  /** A MAC address in its normal form. */
  hardwareId: string;
  askedBy: string;
  askedAt: Date;
  /** Until when its claim is waited for. */
  expiresAt: Date;
}

export class ReplacementList {
  replacements: WaitingReplacementView[];
  pagination: OffsetPagination;
}
