import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
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
} from 'class-validator';
import { CREDENTIAL_LIMITS } from '#contracts';
import { BodyExample, IsIdList, IsName, MayBeAbsent, OffsetPagination, OtherNames } from '#platform';
import {
  CREDENTIAL_TYPES,
  type CredentialType,
  HARDWARE_ID_FORMS,
  type HardwareIdForm,
  ON_REUSE,
  type OnReuse,
  RECLAIM_POLICIES,
  type ReclaimPolicy,
} from './template.entity.js';

/** A minute to 30 days (docs/claims.md rule 32). */
const EPHEMERAL_SECONDS = { minimum: 60, maximum: 2_592_000 };
/** An hour to ten years, and at most a year (docs/credentials.md §2). */
const CREDENTIAL_TTL_SECONDS = { minimum: 3_600, maximum: CREDENTIAL_LIMITS.ttlSeconds };
const RENEW_GRACE_SECONDS = { minimum: 0, maximum: 31_536_000 };

/** As others call these fields, and where those are that a template has not itself. */
const OTHER_NAMES = {
  profile: 'profileId',
  profileReference: 'profileId',
  allowedHardwareIds: 'hardwareIdPattern',
  defaultGroups: 'groupIds',
  credential: 'credentialType',
  autoApprove: 'approveNewSites',
  expiry: "validUntil is a field of the template's keys",
  expires: "validUntil is a field of the template's keys",
  expiresAt: "validUntil is a field of the template's keys",
  validUntil: "validUntil is a field of the template's keys",
  oneTime: "oneTime is a field of the template's keys",
  singleUse: "oneTime is a field of the template's keys",
  maxUses: "maxBatchSize is a field of the template's keys",
  maxBatchSize: "maxBatchSize is a field of the template's keys",
};

@OtherNames(OTHER_NAMES)
@BodyExample({
  name: 'Presses',
  credentialType: 'api_key',
  approveNewSites: false,
  reclaimPolicy: 'recognise',
  hardwareIdPattern: '^press-[0-9]+$',
})
export class CreateTemplateBody {
  @IsString() @IsNotEmpty() @MaxLength(255) @IsName() name: string;
  @IsOptional() @IsString() @MaxLength(2000) description?: string | null;
  /** What new sites inherit. */
  @IsOptional() @IsInt() @IsPositive() @Max(Number.MAX_SAFE_INTEGER) profileId?: number | null;
  /** RE2 pattern that the whole hardware id must match; a claim without one is then refused. */
  @IsOptional() @IsString() @IsNotEmpty() @MaxLength(256) hardwareIdPattern?: string | null;
  /** `mac`: a MAC address counts as one hardware id in every spelling, and is stored as `aa:bb:cc:00:11:22`; the pattern is matched against that. */
  @IsOptional()
  @IsIn(HARDWARE_ID_FORMS)
  @ApiPropertyOptional({ enum: HARDWARE_ID_FORMS, nullable: true })
  hardwareIdForm?: HardwareIdForm | null;
  /** Credential that a device's claim issues; a newt's claim always issues newt credentials. */
  @MayBeAbsent()
  @IsIn(CREDENTIAL_TYPES)
  @ApiProperty({ required: false, enum: CREDENTIAL_TYPES, default: 'api_key' })
  credentialType?: CredentialType;
  /** Whether newts may claim with keys of this template. */
  @MayBeAbsent() @IsBoolean() @ApiProperty({ required: false, type: 'boolean', default: true }) newtDoor?: boolean;
  /** Whether new sites start approved; a key may say otherwise. */
  @MayBeAbsent()
  @IsBoolean()
  @ApiProperty({ required: false, type: 'boolean', default: true })
  approveNewSites?: boolean;
  /** Groups that every site claimed under this template joins, beside those of the profile. */
  @MayBeAbsent()
  @IsIdList(100)
  @ApiPropertyOptional({ type: 'array', items: { type: 'integer', minimum: 1 }, maxItems: 100, uniqueItems: true })
  groupIds?: number[];
  /** Name of a site whose claim brings none; may hold {{hardwareId}}, {{deviceId}}, {{keyName}}. */
  @IsOptional() @IsString() @IsNotEmpty() @MaxLength(255) @IsName() nameTemplate?: string | null;
  /** What happens when a known hardware id claims again. */
  @MayBeAbsent()
  @IsIn(RECLAIM_POLICIES)
  @ApiProperty({ required: false, enum: RECLAIM_POLICIES, default: 'recognise' })
  reclaimPolicy?: ReclaimPolicy;
  /** How long a site may be offline whose claim said `ephemeral: true`, before it is removed; null: such a claim makes an ordinary site. */
  @IsOptional()
  @IsInt()
  @Min(EPHEMERAL_SECONDS.minimum)
  @Max(EPHEMERAL_SECONDS.maximum)
  @ApiPropertyOptional({ type: 'integer', nullable: true, ...EPHEMERAL_SECONDS })
  ephemeralSeconds?: number | null;
  /** How long credentials are good for, of every kind; null: certificates for 90 days, others have no end. Unmodified newts cannot renew theirs. */
  @IsOptional()
  @IsInt()
  @Min(CREDENTIAL_TTL_SECONDS.minimum)
  @Max(CREDENTIAL_TTL_SECONDS.maximum)
  @ApiPropertyOptional({ type: 'integer', nullable: true, ...CREDENTIAL_TTL_SECONDS })
  credentialTtlSeconds?: number | null;
  /** For how long a credential that has expired may still be renewed. */
  @MayBeAbsent()
  @IsInt()
  @Min(RENEW_GRACE_SECONDS.minimum)
  @Max(RENEW_GRACE_SECONDS.maximum)
  @ApiProperty({
    required: false,
    type: 'integer',
    default: CREDENTIAL_LIMITS.renewGraceSeconds,
    ...RENEW_GRACE_SECONDS,
  })
  renewGraceSeconds?: number;
  /** What follows when a credential is used that a site has given up: the event `site.credential_reuse`, or that and the suspension of the site. */
  @MayBeAbsent()
  @IsIn(ON_REUSE)
  @ApiProperty({ required: false, enum: ON_REUSE, default: 'alert' })
  onReuse?: OnReuse;
}

@OtherNames(OTHER_NAMES)
@BodyExample({ reclaimPolicy: 'reissue' })
export class UpdateTemplateBody extends PartialType(CreateTemplateBody, { skipNullProperties: false }) {}

export class TemplateView {
  templateId: number;
  orgId: string;
  name: string;
  description: string | null;
  profileId: number | null;
  hardwareIdPattern: string | null;
  @ApiProperty({ enum: HARDWARE_ID_FORMS, nullable: true }) hardwareIdForm: HardwareIdForm | null;
  @ApiProperty({ enum: CREDENTIAL_TYPES }) credentialType: CredentialType;
  newtDoor: boolean;
  approveNewSites: boolean;
  /** Which sites start pending although `approveNewSites` is true, and why; null: none. */
  approvalLimit: string | null;
  groupIds: number[];
  nameTemplate: string | null;
  @ApiProperty({ enum: RECLAIM_POLICIES }) reclaimPolicy: ReclaimPolicy;
  ephemeralSeconds: number | null;
  credentialTtlSeconds: number | null;
  renewGraceSeconds: number;
  @ApiProperty({ enum: ON_REUSE }) onReuse: OnReuse;
  createdAt: Date;
}

export class TemplateList {
  provisioningTemplates: TemplateView[];
  pagination: OffsetPagination;
}
