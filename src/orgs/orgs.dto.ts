import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsInt, IsString, Length, Matches, Max, Min, ValidateIf } from 'class-validator';
import { BodyExample, IsIpv4Range, IsName, MayBeAbsent, OffsetPagination } from '#platform';

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

/** -1 keeps for ever, 0 keeps nothing. */
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

  /** 0 keeps nothing, -1 keeps for ever. */
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

export class OrgList {
  orgs: OrgView[];
  pagination: OffsetPagination;
}
