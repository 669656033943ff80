import { Body, Controller, Delete, Get, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import { CreateGroupBody, GroupList, GroupView, UpdateGroupBody } from './group.dto.js';
import { GroupsService } from './groups.service.js';

@ApiTags('Sites')
@Controller('org/:orgId')
export class GroupsController {
  constructor(private readonly groups: GroupsService) {}

  /** Create a group of sites */
  @Put('group')
  @Access('createGroup')
  @ErrorResponses(409)
  @Returns(GroupView, { status: 201, message: 'Group created successfully' })
  createGroup(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateGroupBody) {
    return this.groups.create(principal, orgId, body);
  }

  /** List groups by name */
  @Get('groups')
  @Access('listGroups')
  @Returns(GroupList, { message: 'Groups retrieved successfully', exports: true })
  listGroups(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.groups.list(principal, orgId, page, format);
  }

  /** Read a group */
  @Get('group/:groupId')
  @Access('getGroup')
  @Returns(GroupView, { message: 'Group retrieved successfully' })
  getGroup(@Caller() principal: Principal, @OrgId() orgId: string, @Id('groupId') groupId: number) {
    return this.groups.get(principal, orgId, groupId);
  }

  /** Change a group's name or description */
  @Post('group/:groupId')
  @Access('updateGroup')
  @ErrorResponses(409)
  @Returns(GroupView, { message: 'Group updated successfully' })
  updateGroup(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('groupId') groupId: number,
    @Body() body: UpdateGroupBody,
  ) {
    return this.groups.update(principal, orgId, groupId, body);
  }

  /** Delete a group; its sites stay */
  @Delete('group/:groupId')
  @Access('deleteGroup')
  @Returns(null, { message: 'Group deleted successfully' })
  deleteGroup(@Caller() principal: Principal, @OrgId() orgId: string, @Id('groupId') groupId: number) {
    return this.groups.delete(principal, orgId, groupId);
  }
}
