import { ApiProperty } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { ACTIONS, type Action } from '#contracts';

export class ActionHoldersQuery {
  /** Who holds it. */
  @IsIn(ACTIONS)
  @ApiProperty({ enum: ACTIONS, enumName: 'Action' })
  action: Action;
}

export class HoldingRole {
  roleId: number;
  name: string;
}

export class HoldingUser {
  userId: string;
  name: string | null;
  email: string;
}

/** docs/integration-api.md §3.9. */
export class ActionHolders {
  /** By name. */
  roles: HoldingRole[];
  /** Members that have one of these roles, by name, at most 20. */
  users: HoldingUser[];
  /** How many there are. */
  total: number;
}
