import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsOptional,
  IsPositive,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateIf,
} from 'class-validator';
import { BodyExample, IsInstant, IsName, MayBeAbsent, OffsetPagination, OtherNames, PageQuery } from '#platform';
import { CreatedBy } from '../../access/index.js';
import { UsingSites } from '../users.dto.js';

/** 30 days (docs/claims.md rule 20). */
const MAX_OVERLAP_SECONDS = 2_592_000;
export const DEFAULT_OVERLAP_SECONDS = 3600;

const STATES = ['active', 'disabled', 'revoked', 'expired', 'exhausted'] as const;
export type KeyState = (typeof STATES)[number];

/** Numeric strings are accepted (docs/integration-api.md §3.16). */
const numeric = ({ value }: { value: unknown }) =>
  typeof value === 'string' && /^\d{1,7}$/.test(value) ? Number(value) : value;

/** As others call these fields, and where those are that a key has not itself. */
const OTHER_NAMES = {
  expiry: 'validUntil',
  expires: 'validUntil',
  expiresAt: 'validUntil',
  maxUses: 'maxBatchSize',
  usageLimit: 'maxBatchSize',
  autoApprove: 'approveNewSites',
  singleUse: 'oneTime',
  oneTimeFlag: 'oneTime',
  hardwareIdPattern: "hardwareIdPattern is a field of the key's template",
  credentialType: "credentialType is a field of the key's template",
  profile: "profileId is a field of the key's template",
  defaultGroups: "groupIds is a field of the key's template",
};

@OtherNames(OTHER_NAMES)
@BodyExample({ name: 'Line 4', maxBatchSize: 25, validUntil: '2031-01-31T18:00:00Z', approveNewSites: false })
export class CreateKeyBody {
  @IsString() @IsNotEmpty() @MaxLength(255) @IsName() name: string;
  /** How many sites the key may make; null for no limit. Must be said, unless `oneTime` is. */
  @Transform(numeric)
  @ValidateIf((body: CreateKeyBody, value) => value !== null && !(value === undefined && body.oneTime === true))
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  @ApiProperty({ required: false, type: 'integer', nullable: true, minimum: 1, maximum: 1_000_000 })
  maxBatchSize?: number | null;
  /** Instant after which the key is refused, in ISO 8601, without a zone in UTC; absent, null or "" for none. */
  @IsOptional() @IsInstant('') @IsString() validUntil?: string | null;
  /** Whether sites start approved; absent or null: the template decides. */
  @IsOptional() @IsBoolean() approveNewSites?: boolean | null;
  /** Absent: the template `default`. */
  @MayBeAbsent() @IsInt() @IsPositive() @Max(Number.MAX_SAFE_INTEGER) templateId?: number;
  /** The key is used up by its first claim. */
  @MayBeAbsent() @IsBoolean() oneTime?: boolean;
  @MayBeAbsent()
  @IsIn(['active', 'disabled'])
  @ApiProperty({ required: false, enum: ['active', 'disabled'], default: 'active' })
  status?: 'active' | 'disabled';
}

@OtherNames({
  ...OTHER_NAMES,
  oneTime: 'oneTime is said when the key is made',
  singleUse: 'oneTime is said when the key is made',
})
@BodyExample({ maxBatchSize: 50 })
export class UpdateKeyBody {
  @MayBeAbsent() @IsString() @IsNotEmpty() @MaxLength(255) @IsName() name?: string;
  @Transform(numeric)
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  @ApiProperty({ required: false, type: 'integer', nullable: true, minimum: 1, maximum: 1_000_000 })
  maxBatchSize?: number | null;
  /** As at the creation; "" or null clears it. */
  @IsOptional() @IsInstant('') @IsString() validUntil?: string | null;
  @IsOptional() @IsBoolean() approveNewSites?: boolean | null;
  @MayBeAbsent() @IsInt() @IsPositive() @Max(Number.MAX_SAFE_INTEGER) templateId?: number;
  @MayBeAbsent() @IsIn(['active', 'disabled']) status?: 'active' | 'disabled';
}

@BodyExample({ overlapSeconds: 3600 })
export class RotateKeyBody {
  /** How long the old secret still works, in seconds; 0: no longer than this answer takes. */
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(MAX_OVERLAP_SECONDS)
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: MAX_OVERLAP_SECONDS, default: DEFAULT_OVERLAP_SECONDS })
  overlapSeconds?: number;
}

@OtherNames({ status: 'state' })
export class ListKeysQuery extends PageQuery {
  /** Only keys in this state. */
  @MayBeAbsent() @IsIn(STATES) @ApiPropertyOptional({ enum: STATES }) state?: KeyState;
}

export class KeyGenerationView {
  generation: number;
  lastChars: string;
  /** `current`, `overlapping` until it retires, or `retired`. */
  @ApiProperty({ enum: ['current', 'overlapping', 'retired'] }) state: 'current' | 'overlapping' | 'retired';
  retiresAt: Date | null;
  uses: number;
  lastUsed: Date | null;
  lastUsedIp: string | null;
  createdAt: Date;
}

export class KeyView {
  siteProvisioningKeyId: string;
  orgId: string;
  name: string;
  lastChars: string;
  createdAt: Date;
  lastUsed: Date | null;
  maxBatchSize: number | null;
  numUsed: number;
  validUntil: Date | null;
  /** The effective value. */
  approveNewSites: boolean;
  @ApiProperty({ enum: ['key', 'template'] }) approveNewSitesSource: 'key' | 'template';
  /** Why sites start pending although `approveNewSites` is true; null: they do not. */
  approvalLimit: string | null;
  templateId: number;
  oneTime: boolean;
  /** What operators set; a revoked key is disabled for good. Whether the key can make sites now is `state`. */
  @ApiProperty({ enum: ['active', 'disabled'] }) status: 'active' | 'disabled';
  @ApiProperty({ enum: STATES }) state: KeyState;
  lastUsedIp: string | null;
  /** Null: an earlier version made it, and the audit does not tell any more. */
  createdBy: CreatedBy | null;
  /** `lastUsed`, as API keys call it. */
  lastUsedAt: Date | null;
  /** `lastUsedIp`, as API keys call it. */
  lastUsedFrom: string | null;
  /** `validUntil`, as API keys call it. */
  expiresAt: Date | null;
  generations: KeyGenerationView[];
}

export class CreatedKeyView extends KeyView {
  /** The whole key; shown only here. */
  siteProvisioningKey: string;
  /** Whose statements the machines that it enrols are to trust: `--trust-fingerprint` of the agent. */
  trustFingerprint: string;
  /** Where newts and agents claim: PUBLIC_URL. */
  endpoint: string;
  /** Where devices claim with certificates over TLS; null: the server has no port for them. */
  deviceEndpoint: string | null;
}

/** A key that was rotated, with the sites that it has made: they keep their own credentials. */
export class RotatedKeyView extends CreatedKeyView {
  sites: UsingSites;
}

export class KeyList {
  siteProvisioningKeys: KeyView[];
  pagination: OffsetPagination;
}
