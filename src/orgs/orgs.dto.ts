import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsString, Length, Matches, Max, Min, ValidateIf } from 'class-validator';
import { BodyExample, IsIpv4Range, IsName, MayBeAbsent, OffsetPagination, SearchQuery } from '#platform';

const ORG_ID = /^[a-z0-9_]+(-[a-z0-9_]+)*$/;
const IsOrgId = () =>
  applyDecorators(
    IsString(),
    Length(1, 32),
    Matches(ORG_ID, { message: 'orgId must be of lower-case letters, digits and "_", in parts joined by "-"' }),
  );

@BodyExample({ orgId: 'plant-two', name: 'Plant Two', subnet: '100.91.0.0/17' })
export class CreateOrgBody {
  /** Lower-case letters, digits and `_`, in parts joined by `-`. */
  @IsOrgId() orgId: string;

  @IsString()
  @Length(1, 255)
  @IsName()
  name: string;

  /** Address pool of the sites; by default ORG_SUBNET. */
  @MayBeAbsent()
  @IsIpv4Range()
  subnet?: string;

  /** For aliases; must not overlap the other one. */
  @MayBeAbsent()
  @IsIpv4Range()
  utilitySubnet?: string;
}

/** -1 keeps as long as the installation does, 0 keeps nothing. */
const Days = () => (target: object, key: string) =>
  [MayBeAbsent(), IsInt(), Min(-1), Max(36_500)].forEach((rule) => rule(target, key));

@BodyExample({ name: 'Plant Two, Hall B', settingsLogRetentionDaysRequest: 30 })
export class UpdateOrgBody {
  @MayBeAbsent()
  @IsString()
  @Length(1, 255)
  @IsName()
  name?: string;

  /** Not available yet: only false is accepted. */
  @MayBeAbsent()
  @IsBoolean()
  requireTwoFactor?: boolean;

  /** Not available yet: only null is accepted. */
  @ValidateIf((body: UpdateOrgBody) => body.maxSessionLengthHours !== undefined && body.maxSessionLengthHours !== null)
  @IsInt()
  @Min(1)
  maxSessionLengthHours?: number | null;

  /** Not available yet: only null is accepted. */
  @ValidateIf((body: UpdateOrgBody) => body.passwordExpiryDays !== undefined && body.passwordExpiryDays !== null)
  @IsInt()
  @Min(1)
  passwordExpiryDays?: number | null;

  /** 0 keeps nothing, -1 keeps as long as the installation does. */
  @ApiProperty({ type: 'integer', minimum: -1, required: false }) @Days() settingsLogRetentionDaysRequest?: number;
  @ApiProperty({ type: 'integer', minimum: -1, required: false }) @Days() settingsLogRetentionDaysAccess?: number;
  @ApiProperty({ type: 'integer', minimum: -1, required: false }) @Days() settingsLogRetentionDaysAction?: number;
  @ApiProperty({ type: 'integer', minimum: -1, required: false }) @Days() settingsLogRetentionDaysConnection?: number;
}

export class CheckOrgIdQuery {
  /** The id to look for. */
  @IsOrgId() orgId: string;
}

/** docs/integration-api.md §3.1; the SSH key and billing come later, so their fields are null. */
export class OrgView {
  orgId: string;
  name: string;
  subnet: string;
  utilitySubnet: string;
  createdAt: Date;
  /** Since when claims are refused, and by whom; null while they are taken. */
  claimsPausedAt: Date | null;
  claimsPausedBy: string | null;
  /** Since when the organization is closed, and by whom; null while it is open. */
  closedAt: Date | null;
  closedBy: string | null;
  requireTwoFactor: boolean;
  maxSessionLengthHours: number | null;
  passwordExpiryDays: number | null;
  settingsLogRetentionDaysRequest: number;
  settingsLogRetentionDaysAccess: number;
  settingsLogRetentionDaysAction: number;
  settingsLogRetentionDaysConnection: number;
  sshCaPrivateKey: string | null;
  sshCaPublicKey: string | null;
  isBillingOrg: boolean | null;
  billingOrgId: string | null;
}

export class OrgAnswer {
  org: OrgView;
}

/** How many sites are in which state. */
export class OrgSiteCounts {
  total: number;
  pending: number;
  neverConnected: number;
  online: number;
  offline: number;
  suspended: number;
  revoked: number;
}

/** What the caller may not read is null. */
export class OrgCounts {
  @ApiProperty({ type: OrgSiteCounts, nullable: true }) sites: OrgSiteCounts | null;
  /** Provisioning keys in force that expire within seven days. */
  keysEnding: number | null;
  /** What somebody has to look at: of sites that are offline, sites that are pending and keys that end, those that the caller may read. */
  attention: number | null;
  lastClaimAt: Date | null;
}

export class OrgListItem extends OrgView {
  @ApiProperty({ type: OrgCounts, nullable: true }) counts: OrgCounts | null;
}

export const ORG_SORT = [
  'orgId',
  'name',
  'attention',
  'online',
  'offline',
  'pending',
  'keysEnding',
  'lastClaimAt',
] as const;
export type OrgSort = (typeof ORG_SORT)[number];

/** `query` is of names and ids. What is not known of an organization, because there is none or the caller may not read it, stands last. */
export class ListOrgsQuery extends SearchQuery {
  /** By default `orgId`. */
  @MayBeAbsent() @IsIn(ORG_SORT) @ApiPropertyOptional({ enum: ORG_SORT }) sort_by?: OrgSort;
}

export class OrgList {
  orgs: OrgListItem[];
  pagination: OffsetPagination;
}

@BodyExample({ confirm: 'plant-two' })
export class DeleteOrgBody {
  /** The id of the organization, which a person types; a key need not. */
  @MayBeAbsent()
  @IsString()
  @Length(1, 32)
  confirm?: string;
}

@BodyExample({ dryRun: true })
export class CloseOrgBody {
  /** Only say what there is. [false] */
  @MayBeAbsent()
  @IsBoolean()
  dryRun?: boolean;
}

export class OrgClosing {
  orgId: string;
  /** Since when it is closed; null while it is open. */
  closedAt: Date | null;
  closedBy: string | null;
  /** What is in it, and stays; its sites by state tell whom closing disconnects. */
  sites: OrgSiteCounts;
  publicResources: number;
  privateResources: number;
  members: number;
  apiKeys: number;
  provisioningKeys: number;
}
