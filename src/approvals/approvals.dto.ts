import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsObject,
  IsOptional,
  IsPositive,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { NICE_ID_RULE, ODDITIES, type Oddity } from '#contracts';
import {
  BodyExample,
  IsIdList,
  IsInstant,
  IsLabels,
  IsName,
  MayBeAbsent,
  OffsetPagination,
  PageQuery,
  TextField,
} from '#platform';
import { SiteFilter, SiteSettings } from '../sites/index.js';

const STATUSES = ['pending', 'approved'] as const;
const DECISIONS = ['approve', 'reject'] as const;
const MAX_NOTE = 2000;
const MAX_LIMIT = 1_000_000;

/** At least one field. `status` is a decision: `approved` approves, `pending` suspends. */
@BodyExample({ name: 'Press 14, Hall B', labels: { hall: 'b', line: '4' } })
export class UpdateSiteBody extends SiteSettings {
  @MayBeAbsent() @IsName() @MaxLength(255) @IsNotEmpty() @IsString() name?: string;
  @TextField(NICE_ID_RULE, 'optional') niceId?: string;
  @MayBeAbsent() @IsIn(STATUSES) @ApiPropertyOptional({ enum: STATUSES }) status?: (typeof STATUSES)[number];
  /** Why; kept with the decision. */
  @MayBeAbsent() @MaxLength(MAX_NOTE) @IsString() note?: string;
  /** All labels of the site, at most 32. */
  @MayBeAbsent()
  @IsLabels()
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  labels?: Record<string, string>;
  /** All groups of the site. */
  @MayBeAbsent()
  @IsIdList(100)
  @ApiPropertyOptional({ type: 'array', items: { type: 'integer', minimum: 1 }, maxItems: 100, uniqueItems: true })
  groupIds?: number[];
  /** The provisioning profile that the site is started with; null takes it away. Labels and groups stay as they are. */
  @IsOptional()
  @Max(Number.MAX_SAFE_INTEGER)
  @IsPositive()
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', nullable: true })
  profileId?: number | null;
  /** Oddities that somebody has looked into: they are taken away. */
  @MayBeAbsent()
  @IsIn(ODDITIES, { each: true })
  @ArrayMaxSize(ODDITIES.length)
  @IsArray()
  @ApiPropertyOptional({ enum: ODDITIES, isArray: true })
  clearOddities?: Oddity[];
}

@BodyExample({ note: 'Stolen from the yard' })
export class RevokeSiteBody {
  @MayBeAbsent() @MaxLength(MAX_NOTE) @IsString() note?: string;
}

export class DeleteSiteQuery {
  /** `false`: rejecting a pending site leaves no tombstone, so that its hardware id may claim again. */
  @Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : value), { toClassOnly: true })
  @MayBeAbsent()
  @IsBoolean()
  @ApiPropertyOptional({ type: 'boolean', default: true })
  tombstone?: boolean;
}

/** Either `siteIds` or `filter`. */
@BodyExample({ siteIds: [1, 2], decision: 'approve', note: 'Seen on the floor' })
export class DecideBody {
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
  /** Decides on new sites that match, the 1,000 oldest at most, all of them with `asJob`; repeat while `remaining` is above 0. Suspended ones are decided on by `siteIds` only. */
  @MayBeAbsent() @ValidateNested() @IsObject() @Type(() => SiteFilter) filter?: SiteFilter;
  /** With `filter`: what is newer than this site was not seen, and is not decided on. A dry run answers the newest that it saw. */
  @MayBeAbsent()
  @Max(Number.MAX_SAFE_INTEGER)
  @IsPositive()
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', minimum: 1 })
  upToSiteId?: number;
  /** With `filter`: so many at most, the oldest [1,000; as a job: all]. */
  @MayBeAbsent()
  @Max(MAX_LIMIT)
  @Min(1)
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MAX_LIMIT })
  limit?: number;
  @IsIn(DECISIONS) @ApiProperty({ enum: DECISIONS }) decision: (typeof DECISIONS)[number];
  @MayBeAbsent() @MaxLength(MAX_NOTE) @IsString() note?: string;
  /** Whether a rejected hardware id is refused from now on [true]. */
  @MayBeAbsent() @IsBoolean() tombstone?: boolean;
  /** Only say what would happen. */
  @MayBeAbsent() @IsBoolean() dryRun?: boolean;
  /** Answer 202 with a job at once, which decides on all that match; only then `Idempotency-Key` is heeded. */
  @MayBeAbsent() @IsBoolean() asJob?: boolean;
  /** Decisions per second at most, of a job [as fast as it goes]. */
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(1000)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1000 })
  pace?: number;
}

const OUTCOMES = ['approved', 'rejected', 'unchanged', 'not_found', 'conflict', 'permission_denied', 'failed'] as const;

export class DecisionResult {
  siteId: number;
  /** `unchanged`: it was so already; `conflict`: an approved or suspended site cannot be rejected, a revoked one not approved; `permission_denied`: approved, the site would receive secrets. */
  @ApiProperty({ enum: OUTCOMES }) outcome: (typeof OUTCOMES)[number];
  /** Why not; of a rejection also that no tombstone could be left. */
  message: string | null;
  /** What is odd about the site, of a dry run only. */
  @ApiPropertyOptional({ enum: ODDITIES, isArray: true }) oddities?: Oddity[];
}

export class DecisionResults {
  dryRun: boolean;
  @ApiProperty({ enum: DECISIONS }) decision: (typeof DECISIONS)[number];
  results: DecisionResult[];
  /** How many further sites match the filter. */
  remaining: number;
  /** The newest site that matched the filter, `remaining` ones too: with it as `upToSiteId` the same sites are decided on later, and no newer ones. null: none, or no filter. */
  upToSiteId: number | null;
}

export class TombstoneView {
  /** Of a device without one: `nonce:` and the SHA-256 of its claim nonce in hexadecimal digits. */
  hardwareId: string;
  /** Name of the site that had it. */
  siteName: string | null;
  /** `rejected`, `revoked` or `replaced`. */
  reason: string;
  note: string | null;
  createdBy: string | null;
  createdAt: Date;
}

export class RejectionQuery extends PageQuery {
  @MayBeAbsent() @MaxLength(128) @IsString() hardwareId?: string;
  /** Instant from which on, in ISO 8601, without a zone in UTC. */
  @IsOptional() @IsInstant() @IsString() from?: string;
  /** Instant before which, in ISO 8601, without a zone in UTC. */
  @IsOptional() @IsInstant() @IsString() to?: string;
}

/** A site that was rejected and is gone. */
export class RejectionView {
  siteId: number;
  niceId: string;
  name: string;
  hardwareId: string | null;
  by: string | null;
  note: string | null;
  rejectedAt: Date;
  /** How the tombstone names its device, which refuses it until it is deleted; null: none was left, or it was lifted. */
  tombstone: string | null;
}

export class RejectionList {
  rejections: RejectionView[];
  pagination: OffsetPagination;
}

export class TombstoneList {
  tombstones: TombstoneView[];
  pagination: OffsetPagination;
}
