import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, OrgId, Returns, SearchQuery } from '../../../libs/platform/index.js';
import { MemberList } from './users.dto.js';
import { UsersService } from './users.service.js';

@ApiTags('Users')
@Controller('org/:orgId')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get('users')
  @Access('listUsers')
  @Returns(MemberList, { message: 'Users retrieved successfully' })
  listUsers(@OrgId() orgId: string, @Query() query: SearchQuery): Promise<MemberList> {
    return this.users.listMembers(orgId, query);
  }
}
