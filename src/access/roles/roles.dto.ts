import { ApiProperty } from '@nestjs/swagger';
import { PagePagination } from '../../../libs/platform/index.js';

/** integration-api.md §3.9; what concerns SSH is at its defaults. */
export class RoleView {
  roleId: number;
  orgId: string;
  isAdmin: boolean;
  name: string;
  description: string | null;
  orgName: string;
  requireDeviceApproval: boolean;
  allowSsh: boolean;
  @ApiProperty({ enum: ['none', 'full', 'commands'] }) sshSudoMode: string;
  /** JSON text. */
  sshSudoCommands: string;
  sshCreateHomeDir: boolean;
  /** JSON text. */
  sshUnixGroups: string;
}

export class RoleList {
  roles: RoleView[];
  pagination: PagePagination;
}
