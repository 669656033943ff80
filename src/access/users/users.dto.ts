import { ApiProperty } from '@nestjs/swagger';
import { PagePagination } from '../../../libs/platform/index.js';

export class MemberRole {
  /** @example 1 */
  roleId: number;
  roleName: string;
}

/** integration-api.md §3.10; identity providers come later, so their fields are null. */
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
