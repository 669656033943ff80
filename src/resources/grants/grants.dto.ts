import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsNotEmpty, IsPositive, IsString, Max, MaxLength } from 'class-validator';
import { BodyExample, entries, IsIdList, RuleWithin, sizeProblem } from '#platform';

const MAX = 1000;

/** Ids of users: at most `max` different ones. */
export const IsUserIdList = (max: number) =>
  RuleWithin('isUserIdList', (value) => {
    const size = sizeProblem(value, max);
    if (size.length > 0) return size.map(({ place, problem }) => ({ place, problem: `${problem} ids of users` }));
    return entries(value as unknown[], (id) =>
      typeof id === 'string' && id.length > 0 && id.length <= 64 ? undefined : 'must be the id of a user',
    );
  });

@BodyExample({ roleIds: [2, 3] })
export class RoleIdsBody {
  @IsIdList(MAX)
  @ApiProperty({ type: 'array', maxItems: MAX, items: { type: 'integer', minimum: 1 } })
  roleIds: number[];
}

@BodyExample({ roleId: 2 })
export class RoleIdBody {
  @Max(Number.MAX_SAFE_INTEGER) @IsPositive() @IsInt() @ApiProperty({ type: 'integer', minimum: 1 }) roleId: number;
}

@BodyExample({ userIds: ['u1a2b3c4d5e6f7g'] })
export class UserIdsBody {
  @IsUserIdList(MAX) @ApiProperty({ type: 'array', maxItems: MAX, items: { type: 'string' } }) userIds: string[];
}

@BodyExample({ userId: 'u1a2b3c4d5e6f7g' })
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
