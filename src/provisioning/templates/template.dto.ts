import { ArrayMaxSize, ArrayUnique, IsArray, IsBoolean, IsIn, IsInt, IsNotEmpty, IsOptional, IsPositive, IsString, MaxLength } from 'class-validator';
import { ApiProperty, PartialType } from '@nestjs/swagger';
import { NoControlCharacters, OffsetPagination } from '../../../libs/platform/index.js';
import { CREDENTIAL_TYPES, type CredentialType, RECLAIM_POLICIES, type ReclaimPolicy } from './template.entity.js';

export class CreateTemplateBody {
  @IsString() @IsNotEmpty() @MaxLength(255) name: string;
  @IsOptional() @IsString() @MaxLength(2000) description?: string | null;
  /** What new sites inherit. */
  @IsOptional() @IsInt() @IsPositive() profileId?: number | null;
  /** RE2 pattern that the whole hardware id must match; a claim without one is then refused. */
  @IsOptional() @IsString() @IsNotEmpty() @MaxLength(256) hardwareIdPattern?: string | null;
  /** Credential of the device door; the newt door always issues newt credentials. */
  @IsOptional() @IsIn(CREDENTIAL_TYPES) @ApiProperty({ required: false, enum: CREDENTIAL_TYPES, default: 'api_key' })
  credentialType?: CredentialType;
  /** Whether the newt door is open to keys of this template. */
  @IsOptional() @IsBoolean() @ApiProperty({ required: false, type: 'boolean', default: true }) newtDoor?: boolean;
  /** Whether new sites start approved; a key may say otherwise. */
  @IsOptional() @IsBoolean() @ApiProperty({ required: false, type: 'boolean', default: true }) approveNewSites?: boolean;
  /** Groups that every site claimed under this template joins, beside those of the profile. */
  @IsOptional() @IsArray() @ArrayMaxSize(100) @ArrayUnique() @IsInt({ each: true }) @IsPositive({ each: true }) groupIds?: number[];
  /** Name of a site whose claim brings none; may hold {{hardwareId}}, {{deviceId}}, {{keyName}}. */
  @IsOptional() @IsString() @IsNotEmpty() @MaxLength(255) @NoControlCharacters() nameTemplate?: string | null;
  /** What happens when a known hardware id claims again. */
  @IsOptional() @IsIn(RECLAIM_POLICIES) @ApiProperty({ required: false, enum: RECLAIM_POLICIES, default: 'recognise' })
  reclaimPolicy?: ReclaimPolicy;
}

export class UpdateTemplateBody extends PartialType(CreateTemplateBody) {}

export class TemplateView {
  templateId: number;
  orgId: string;
  name: string;
  description: string | null;
  profileId: number | null;
  hardwareIdPattern: string | null;
  @ApiProperty({ enum: CREDENTIAL_TYPES }) credentialType: CredentialType;
  newtDoor: boolean;
  approveNewSites: boolean;
  groupIds: number[];
  nameTemplate: string | null;
  @ApiProperty({ enum: RECLAIM_POLICIES }) reclaimPolicy: ReclaimPolicy;
  createdAt: Date;
}

export class TemplateList {
  provisioningTemplates: TemplateView[];
  pagination: OffsetPagination;
}
