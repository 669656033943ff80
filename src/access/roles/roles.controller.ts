import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, OrgId, Returns, SearchQuery } from '../../../libs/platform/index.js';
import { RoleList } from './roles.dto.js';
import { RolesService } from './roles.service.js';

@ApiTags('Roles')
@Controller('org/:orgId')
export class RolesController {
  constructor(private readonly roles: RolesService) {}

  @Get('roles')
  @Access('listRoles')
  @Returns(RoleList, { message: 'Roles retrieved successfully' })
  listRoles(@OrgId() orgId: string, @Query() query: SearchQuery): Promise<RoleList> {
    return this.roles.list(orgId, query);
  }
}
