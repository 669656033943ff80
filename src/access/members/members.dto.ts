import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsEmail,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { BodyExample, IsIdList, IsName, MayBeAbsent, PagePagination, QueryInt, SearchQuery } from '#platform';

const MAX_ID = Number.MAX_SAFE_INTEGER;
const MAX_ROLES = 50;
const toNumber = (value: unknown) =>
  typeof value === 'string' && /^[1-9]\d{0,14}$/.test(value) ? Number(value) : value;

export class ListUsersQuery extends SearchQuery {
  @MayBeAbsent() @IsIn(['username']) @ApiPropertyOptional({ enum: ['username'] }) sort_by?: 'username';

  /** Number of an identity provider, or `internal`. */
  @MayBeAbsent()
  @Matches(/^(internal|[1-9]\d{0,14})$/)
  @ApiPropertyOptional({ type: 'string', pattern: '^(internal|[1-9][0-9]{0,14})$' })
  idp_id?: string;

  /** Users that hold any of these roles; repeatable. */
  @Transform(({ value }: { value: unknown }) => (value === undefined ? undefined : [value].flat().map(toNumber)), {
    toClassOnly: true,
  })
  @MayBeAbsent()
  @IsArray()
  @ArrayMaxSize(MAX_ROLES)
  @IsInt({ each: true })
  @Min(1, { each: true })
  @Max(MAX_ID, { each: true })
  @ApiPropertyOptional({ type: 'array', items: { type: 'integer', minimum: 1 }, maxItems: MAX_ROLES })
  role_id?: number[];
}

export class UserByUsernameQuery {
  @IsString()
  @Length(1, 255)
  username: string;

  /** Number of an identity provider; left out, users with a password are meant. */
  @QueryInt(1, MAX_ID) idpId?: number;
}

/** `roleIds` and the older `roleId` are one list. */
export class RolesBody {
  @MayBeAbsent()
  @IsIdList(MAX_ROLES, 1)
  @ApiPropertyOptional({ type: 'array', items: { type: 'integer', minimum: 1 }, minItems: 1, maxItems: MAX_ROLES })
  roleIds?: number[];

  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(MAX_ID)
  @ApiPropertyOptional({ type: 'integer', minimum: 1 })
  roleId?: number;
}

@BodyExample({ type: 'oidc', idpId: 1, username: 'kim', email: 'kim@example.com', roleIds: [2] })
export class CreateOrgUserBody extends RolesBody {
  @IsString()
  @Length(1, 255)
  @IsName()
  username: string;

  /** Users with a password come by invitation: only `oidc` is accepted. */
  @ApiProperty({ enum: ['oidc'] })
  @IsIn(['oidc'], { message: 'type must be oidc: users with a password come by invitation' })
  type: 'oidc';

  @IsInt()
  @Min(1)
  @Max(MAX_ID)
  @ApiProperty({ type: 'integer', minimum: 1 })
  idpId: number;

  @IsOptional()
  @IsEmail()
  @MaxLength(254)
  email?: string | null;

  @IsOptional()
  @IsString()
  @MaxLength(255)
  @IsName()
  name?: string | null;
}

@BodyExample({ autoProvisioned: false })
export class UpdateOrgUserBody {
  /** Whether the identity provider decides the user's roles at each login. */
  @IsBoolean()
  autoProvisioned: boolean;
}

export class MemberRole {
  /** @example 1 */
  roleId: number;
  roleName: string;
}

/** docs/integration-api.md §3.10; identity providers come later, so their fields are null. */
export class MemberView {
  id: string;
  email: string;
  emailVerified: boolean;
  dateCreated: Date;
  orgId: string;
  username: string;
  name: string | null;
  @ApiProperty({ enum: ['internal'] }) type: string;
  isOwner: boolean;
  idpName: string | null;
  idpId: number | null;
  idpType: string | null;
  idpVariant: string | null;
  twoFactorEnabled: boolean;
  roles: MemberRole[];
}

export class MemberList {
  users: MemberView[];
  pagination: PagePagination;
}

export class OrgUserRole {
  roleId: number;
  name: string;
  isAdmin: boolean;
}

/** Whether somebody belongs to an organization. */
export class OrgUserCheck {
  allowed: boolean;
  /** Why not; left out for a member. */
  error?: string;
}

/** One user of an organization (docs/integration-api.md §3.10). */
export class OrgUserView {
  orgId: string;
  userId: string;
  email: string;
  username: string;
  name: string | null;
  @ApiProperty({ enum: ['internal'] }) type: string;
  isOwner: boolean;
  twoFactorEnabled: boolean;
  autoProvisioned: boolean;
  idpId: number | null;
  idpName: string | null;
  idpType: string | null;
  idpVariant: string | null;
  idpAutoProvision: boolean | null;
  isAdmin: boolean;
  roleIds: number[];
  roles: OrgUserRole[];
}
