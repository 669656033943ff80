import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
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
import { CREDENTIAL_LIMITS } from '#contracts';
import { BodyExample, IsIdList, IsLabels, MayBeAbsent } from '#platform';
import { SiteFilter } from '../../sites/index.js';

const ACTIONS = [
  'suspend',
  'resume',
  'revoke',
  'delete',
  'add_labels',
  'remove_labels',
  'add_groups',
  'remove_groups',
  'set_profile',
  'restart',
  'allow_reclaim',
  'rotate_credential',
] as const;
export type SiteActionName = (typeof ACTIONS)[number];
const MAX_SITES = 10_000;
const MAX_NOTE = 2000;

/** Either `siteIds` or `filter`, and what the action needs. */
@BodyExample({ filter: { group: 'north' }, action: 'add_labels', labels: { wave: '2' }, dryRun: true })
export class SiteActionBody {
  @MayBeAbsent()
  @IsIdList(MAX_SITES, 1)
  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'integer', minimum: 1 },
    minItems: 1,
    maxItems: MAX_SITES,
    uniqueItems: true,
  })
  siteIds?: number[];
  /** All sites that match, however many; `{}` is all there are. What is made after the request is not meant. */
  @MayBeAbsent() @ValidateNested() @IsObject() @Type(() => SiteFilter) filter?: SiteFilter;
  /** The newest site that the filter means [the newest there is]: nothing that came after what somebody looked at. */
  @MayBeAbsent()
  @Max(Number.MAX_SAFE_INTEGER)
  @IsPositive()
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', minimum: 1 })
  upToSiteId?: number;
  /** Each needs what it needs for one site: `revokeSite`, `deleteSite`, `allowReclaim`, else `updateSite`. */
  @IsIn(ACTIONS) @ApiProperty({ enum: ACTIONS }) action: SiteActionName;
  /** Why: of suspend, resume, revoke, delete. */
  @MayBeAbsent() @MaxLength(MAX_NOTE) @IsString() note?: string;
  /** Of delete: whether a pending site that goes leaves its hardware id refused [true]. */
  @MayBeAbsent() @IsBoolean() tombstone?: boolean;
  /** Of add_labels: others stay. */
  @MayBeAbsent()
  @IsLabels()
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  labels?: Record<string, string>;
  /** Of remove_labels. */
  @MayBeAbsent()
  @IsNotEmpty({ each: true })
  @MaxLength(63, { each: true })
  @IsString({ each: true })
  @ArrayUnique()
  @ArrayMinSize(1)
  @ArrayMaxSize(32)
  @IsArray()
  @ApiPropertyOptional({ type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 32, uniqueItems: true })
  labelKeys?: string[];
  /** Of add_groups and remove_groups. */
  @MayBeAbsent()
  @IsIdList(100, 1)
  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'integer', minimum: 1 },
    minItems: 1,
    maxItems: 100,
    uniqueItems: true,
  })
  groupIds?: number[];
  /** Of set_profile; null takes the profile away. */
  @IsOptional()
  @Max(Number.MAX_SAFE_INTEGER)
  @IsPositive()
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', nullable: true })
  profileId?: number | null;
  /** Of allow_reclaim [3600]. */
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(86_400)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 86_400 })
  expiresInSeconds?: number;
  /** Of rotate_credential. */
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(CREDENTIAL_LIMITS.maxOverlapSeconds)
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: CREDENTIAL_LIMITS.maxOverlapSeconds })
  overlapSeconds?: number;
  /** Sites per second at most [as fast as it goes]. */
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(1000)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1000 })
  pace?: number;
  /** Only say what would happen. */
  @MayBeAbsent() @IsBoolean() dryRun?: boolean;
}

const REFUSALS = ['not_found', 'conflict', 'permission_denied'] as const;

/** Sites that would be refused for one reason. */
export class SiteActionRefusal {
  @ApiProperty({ enum: REFUSALS }) outcome: (typeof REFUSALS)[number];
  message: string;
  /** How many. */
  sites: number;
  /** The first twenty of them. */
  @ApiProperty({ type: [Number] }) siteIds: number[];
}

export class SiteActionTouches {
  /** Sites that would change. */
  sites: number;
  /** Of those: connected now. */
  connected: number;
  /** Public and private resources that have to do with them; one on two sites counts twice. */
  resources: number;
}

export class SiteActionPreview {
  dryRun: boolean;
  @ApiProperty({ enum: ACTIONS }) action: SiteActionName;
  /** Sites that are meant. */
  total: number;
  /** Of those: it is so already, nothing would happen. */
  unchanged: number;
  /** Of those: it would be refused. */
  refused: number;
  /** Why, reason by reason. */
  refusals: SiteActionRefusal[];
  touches: SiteActionTouches;
}
