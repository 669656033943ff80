import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Length, Max, MaxLength, Min } from 'class-validator';
import { ACTIONS, type Action, ROLE_PRESETS, type RolePreset } from '#contracts';
import {
  BodyExample,
  hasControlCharacters,
  IsName,
  MayBeAbsent,
  OffsetPagination,
  PagePagination,
  RuleWithin,
  SearchQuery,
  sizeProblem,
} from '#platform';
import { IsActionList } from '../action-list.js';
import { SUDO_MODES } from './role.entity.js';

const MAX_ENTRIES = 100;

const isLine = (text: unknown) =>
  typeof text === 'string' && text.length > 0 && text.length <= 1000 && !hasControlCharacters(text);

/** Lines for a machine's configuration: short, and never more than one line. */
const Lines = () =>
  applyDecorators(
    RuleWithin('isLines', (value) => {
      const size = sizeProblem(value, MAX_ENTRIES);
      return size.length > 0
        ? size
        : (value as unknown[]).flatMap((line, i) =>
            isLine(line) ? [] : [{ place: String(i), problem: 'must be a line of 1 to 1000 characters' }],
          );
    }),
    ApiPropertyOptional({ type: [String], maxItems: MAX_ENTRIES }),
  );

/** docs/integration-api.md §3.9. */
@BodyExample({ name: 'Night shift', description: 'Looks after the machines from 22:00 to 06:00' })
export class CreateRoleBody {
  /** Unique in the organization. */
  @IsString()
  @Length(1, 255)
  @IsName()
  name: string;

  @IsOptional()
  @IsString()
  @MaxLength(2000)
  description?: string | null;

  @MayBeAbsent() @IsBoolean() requireDeviceApproval?: boolean;
  @MayBeAbsent() @IsBoolean() allowSsh?: boolean;
  @MayBeAbsent() @IsIn(SUDO_MODES) @ApiPropertyOptional({ enum: SUDO_MODES }) sshSudoMode?: (typeof SUDO_MODES)[number];
  @MayBeAbsent() @Lines() sshSudoCommands?: string[];
  @MayBeAbsent() @IsBoolean() sshCreateHomeDir?: boolean;
  @MayBeAbsent() @Lines() sshUnixGroups?: string[];
}

/** Name and description of the Admin role stay as they are. */
@BodyExample({ description: 'Looks after the machines at night and on Sundays' })
export class UpdateRoleBody extends PartialType(CreateRoleBody, { skipNullProperties: false }) {}

@BodyExample({ roleId: 2 })
export class DeleteRoleBody {
  /** The role of the same organization that members and grants go over to; not needed while nobody holds the role. Digits in a string are taken too. */
  @ApiPropertyOptional({
    oneOf: [
      { type: 'integer', minimum: 1 },
      { type: 'string', pattern: '^[1-9][0-9]{0,14}$' },
    ],
  })
  @Transform(({ value }) => (typeof value === 'string' && /^[1-9]\d{0,14}$/.test(value) ? Number(value) : value), {
    toClassOnly: true,
  })
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  roleId?: number;
}

/** Either of the two. */
@BodyExample({ actionIds: ['getOrg', 'listSites', 'getSite', 'updateApprovals'] })
export class SetRoleActionsBody {
  /** Replaces what the role held, which follows no preset from then on. Nobody grants an action that they lack. */
  @MayBeAbsent()
  @IsActionList()
  @ApiPropertyOptional({ enum: ACTIONS, enumName: 'Action', isArray: true })
  actionIds?: Action[];

  /** From then on the role holds what each version of the server decides for Operator, Approver or Viewer. */
  @MayBeAbsent() @IsIn(ROLE_PRESETS) @ApiPropertyOptional({ enum: ROLE_PRESETS }) preset?: RolePreset;
}

export class ListRolesQuery extends SearchQuery {
  @MayBeAbsent() @IsIn(['name']) @ApiPropertyOptional({ enum: ['name'] }) sort_by?: 'name';
}

export class RoleView {
  roleId: number;
  orgId: string;
  isAdmin: boolean;
  name: string;
  description: string | null;
  requireDeviceApproval: boolean;
  allowSsh: boolean;
  @ApiProperty({ enum: SUDO_MODES }) sshSudoMode: string;
  /** JSON text. */
  sshSudoCommands: string;
  sshCreateHomeDir: boolean;
  /** JSON text. */
  sshUnixGroups: string;
}

export class RoleActions {
  roleId: number;
  isAdmin: boolean;
  /** Whose actions the role holds, those of later versions too; null for Admin and for a role that keeps its own. */
  @ApiProperty({ enum: ROLE_PRESETS, nullable: true }) preset: RolePreset | null;
  /** In alphabetical order. */
  @ApiProperty({ enum: ACTIONS, enumName: 'Action', isArray: true }) actionIds: Action[];
}

export class MyActions {
  /** In alphabetical order. */
  @ApiProperty({ enum: ACTIONS, enumName: 'Action', isArray: true }) actionIds: Action[];
}

export class RoleListItem extends RoleView {
  orgName: string;
}

export class RoleList {
  roles: RoleListItem[];
  pagination: PagePagination;
}

export class RoleUser {
  userId: string;
  username: string;
  email: string;
  name: string | null;
  isOwner: boolean;
}

export class RoleUserList {
  users: RoleUser[];
  pagination: OffsetPagination;
}
