import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsArray, IsInt, IsNotEmpty, IsPositive, IsString, Max, MaxLength } from 'class-validator';
import { IsIdList } from '../../../libs/platform/index.js';

const MAX = 1000;

/** Ids of users: at most `max` different ones. */
export const IsUserIdList = (max: number) =>
  applyDecorators(ArrayUnique(), MaxLength(64, { each: true }), IsNotEmpty({ each: true }), IsString({ each: true }), ArrayMaxSize(max), IsArray());

export class RoleIdsBody {
  @IsIdList(MAX) @ApiProperty({ type: 'array', maxItems: MAX, items: { type: 'integer', minimum: 1 } }) roleIds: number[];
}

export class RoleIdBody {
  @Max(Number.MAX_SAFE_INTEGER) @IsPositive() @IsInt() @ApiProperty({ type: 'integer', minimum: 1 }) roleId: number;
}

export class UserIdsBody {
  @IsUserIdList(MAX) @ApiProperty({ type: 'array', maxItems: MAX, items: { type: 'string' } }) userIds: string[];
}

export class UserIdBody {
  @MaxLength(64) @IsNotEmpty() @IsString() userId: string;
}

export class GrantedRole {
  roleId: number;
  name: string;
  description: string | null;
  isAdmin: boolean;
}

export class GrantedRoles {
  /** The Admin role comes first: it reaches everything. */
  @ApiProperty({ type: [GrantedRole] }) roles: GrantedRole[];
}

export class GrantedUser {
  userId: string;
  username: string;
  @ApiProperty({ enum: ['internal', 'oidc'] }) type: 'internal' | 'oidc';
  idpName: string | null;
  idpId: number | null;
  email: string | null;
}

export class GrantedUsers {
  @ApiProperty({ type: [GrantedUser] }) users: GrantedUser[];
}
