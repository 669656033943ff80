import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsNotEmpty, IsObject, IsOptional, IsString, Matches, MaxLength, ValidateNested } from 'class-validator';
import { INSTANCE_LIMITS } from '#contracts';
import { BodyExample, IsIdList, MayBeAbsent, OffsetPagination, PagePagination, QueryBoolean } from '#platform';
import { RolloutSettings } from '../rollouts/rollout-settings.js';

/** docs/instances.md §2 rule 1. */
export const SECRET_NAME = /^[A-Z][A-Z0-9_]{0,127}$/;
const MAX_PROFILES = 100;
const ENCODINGS = ['utf8', 'base64'] as const;
export type SecretEncoding = (typeof ENCODINGS)[number];
/** The most bytes in base64, which is longer than any text may be. */
const MAX_CHARACTERS = Math.ceil(INSTANCE_LIMITS.secretBytes / 3) * 4;

class SecretValue {
  /** At most 64 KB as UTF-8, or as the bytes that `encoding` leads to. No answer ever holds it. */
  @IsString() @IsNotEmpty() @MaxLength(MAX_CHARACTERS) value: string;
  /** `base64` for bytes that are no text, and for text that holds NUL. */
  @MayBeAbsent()
  @IsIn(ENCODINGS)
  @ApiPropertyOptional({ enum: ENCODINGS, default: 'utf8' })
  encoding?: SecretEncoding;
}

@BodyExample({ name: 'DB_PASSWORD', value: 'correct horse battery staple' })
export class CreateSecretBody extends SecretValue {
  @Matches(SECRET_NAME, { message: '$property must be capital letters, digits and _, a letter first, at most 128' })
  @IsString()
  @ApiProperty({ pattern: SECRET_NAME.source, maxLength: 128 })
  name: string;
  /** The profiles whose bootstraps may name it; absent or null: any of the organization, []: none. */
  @IsOptional()
  @IsIdList(MAX_PROFILES)
  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'integer', minimum: 1 },
    maxItems: MAX_PROFILES,
    uniqueItems: true,
    nullable: true,
  })
  profileIds?: number[] | null;
}

@BodyExample({ profileIds: [1, 2] })
export class UpdateSecretBody {
  /** As at the creation; null: any profile of the organization. */
  @IsOptional()
  @IsIdList(MAX_PROFILES)
  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'integer', minimum: 1 },
    maxItems: MAX_PROFILES,
    uniqueItems: true,
    nullable: true,
  })
  profileIds?: number[] | null;
}

export class UpdateSecretQuery {
  /** Only say which users it would be taken from. */
  @QueryBoolean() dryRun?: boolean;
  /** Take it from them. */
  @QueryBoolean() force?: boolean;
}

@BodyExample({ value: 'a better horse battery staple', rollout: { canary: 1, perMinute: 60 } })
export class AddSecretVersionBody extends SecretValue {
  @MayBeAbsent() @ValidateNested() @IsObject() @Type(() => RolloutSettings) rollout?: RolloutSettings;
}

export class SecretVersionAnswer {
  name: string;
  version: number;
}

export class SecretView {
  name: string;
  orgId: string;
  /** The newest. */
  version: number;
  /** What sites get that no unfinished rollout has reached. */
  settledVersion: number;
  @ApiProperty({ type: 'array', items: { type: 'integer' }, nullable: true }) profileIds: number[] | null;
  createdAt: Date;
  /** When the newest version was added. */
  changedAt: Date;
}

export class SecretList {
  secrets: SecretView[];
  pagination: PagePagination;
}

export class SecretVersionView {
  version: number;
  /** It is the newest, which new rollouts bring. */
  current: boolean;
  /** Sites whose bundle holds it: offered to them, or what they run with. */
  usedBySites: number;
  createdBy: string;
  createdAt: Date;
  destroyedAt: Date | null;
}

export class SecretProfile {
  profileId: number;
  name: string;
  /** The newest revision of its bootstrap that names the secret. */
  revision: number;
  /** Whether the current revision names it, or the one that sites get until a rollout has ended. */
  current: boolean;
}

export class SecretSite {
  siteId: number;
  niceId: string;
  name: string;
  /** The version that it is offered; null: none any more. */
  offeredVersion: number | null;
  /** The version that it said it runs with; null: none yet. */
  appliedVersion: number | null;
  /** What it said of its bundle last. */
  @ApiProperty({ type: 'string', enum: ['offered', 'fetched', 'applied', 'failed'], nullable: true })
  state: 'offered' | 'fetched' | 'applied' | 'failed' | null;
}

/** `total`, and the first hundred of them. */
export class SecretProfiles {
  total: number;
  profiles: SecretProfile[];
}

/** `total`, and the first hundred of them. */
export class SecretSites {
  total: number;
  sites: SecretSite[];
}

export class SecretDetails extends SecretView {
  /** Sites that use it, in whatever version. */
  usedBySites: number;
  /** Newest first. */
  versions: SecretVersionView[];
  /** Of the versions. */
  pagination: OffsetPagination;
  /** Whose bootstraps name it. */
  profiles: SecretProfiles;
  /** Sites that did not say yet that they run with the newest version. */
  outstanding: SecretSites;
}

/** What uses a secret, or a version of it; or those of them that it would be taken from. */
export class SecretUsers {
  /** Profiles whose current bootstrap names it; of a single version none, since a bootstrap names a secret in its newest version. */
  profiles: SecretProfiles;
  /** Sites whose bundle holds it: offered to them, or what they run with. */
  sites: SecretSites;
}
