import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { IsIn, IsNotEmpty, IsObject, IsOptional, IsString, MaxLength } from 'class-validator';
import {
  BodyExample,
  IsIdList,
  IsLabels,
  IsName,
  MaxBytes,
  MaxJsonBytes,
  MayBeAbsent,
  OffsetPagination,
  OtherNames,
} from '#platform';
import { ON_CLONE, type OnClone, SEALED, type Sealed } from './profile.entity.js';

const JSON_LIMIT = 64 * 1024;
/** docs/claims.md "Words": a bootstrap blueprint is at most 256 KB. */
const BLUEPRINT_LIMIT = 256 * 1024;

/** As others call these fields. */
const OTHER_NAMES = { tags: 'labels', defaultGroups: 'groupIds' };

@OtherNames(OTHER_NAMES)
@BodyExample({ name: 'Line 4', labels: { line: '4' }, attributes: { plant: 'two' } })
export class CreateProfileBody {
  @IsString() @IsNotEmpty() @MaxLength(255) @IsName() name: string;
  @IsOptional() @IsString() @MaxLength(2000) description?: string | null;
  /** Labels of a new site, at most 32. */
  @MayBeAbsent()
  @IsLabels()
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  labels?: Record<string, string>;
  /** Groups that a new site joins. */
  @MayBeAbsent()
  @IsIdList(100)
  @ApiPropertyOptional({ type: 'array', items: { type: 'integer', minimum: 1 }, maxItems: 100, uniqueItems: true })
  groupIds?: number[];
  /** Config document that an approved site receives. */
  @MayBeAbsent()
  @IsObject()
  @MaxJsonBytes(JSON_LIMIT)
  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  config?: Record<string, unknown>;
  /** Free attributes, kept with the site. */
  @MayBeAbsent()
  @IsObject()
  @MaxJsonBytes(JSON_LIMIT)
  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  attributes?: Record<string, unknown>;
  /** Bootstrap blueprint (YAML, at most 256 KB), applied once to each new site, before its agent's own; may hold {{site.name}} and the like. */
  @IsOptional() @IsString() @MaxBytes(BLUEPRINT_LIMIT) blueprint?: string | null;
  /** Whether sites without a bundle key get bundles too, which are not sealed. */
  @MayBeAbsent() @IsIn(SEALED) @ApiPropertyOptional({ enum: SEALED, default: 'required' }) sealed?: Sealed;
  /** When two machines have the credential of one site: tell of it, or give neither a lease either. */
  @MayBeAbsent() @IsIn(ON_CLONE) @ApiPropertyOptional({ enum: ON_CLONE, default: 'alert' }) onClone?: OnClone;
}

@OtherNames(OTHER_NAMES)
@BodyExample({ labels: { line: '4', hall: 'b' } })
export class UpdateProfileBody extends PartialType(CreateProfileBody, { skipNullProperties: false }) {}

export class ProfileView {
  profileId: number;
  orgId: string;
  name: string;
  description: string | null;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } }) labels: Record<string, string>;
  groupIds: number[];
  @ApiProperty({ type: 'object', additionalProperties: true }) config: Record<string, unknown>;
  @ApiProperty({ type: 'object', additionalProperties: true }) attributes: Record<string, unknown>;
  blueprint: string | null;
  /** Of the document that its sites are started with; null: it has none. */
  bootstrapRevision: number | null;
  @ApiProperty({ enum: SEALED }) sealed: Sealed;
  @ApiProperty({ enum: ON_CLONE }) onClone: OnClone;
  createdAt: Date;
}

export class ProfileList {
  provisioningProfiles: ProfileView[];
  pagination: OffsetPagination;
}
