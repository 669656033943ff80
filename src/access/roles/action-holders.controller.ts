import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, OrgId, Returns } from '#platform';
import { ActionHolders, ActionHoldersQuery } from './action-holders.dto.js';
import { ActionHoldersService } from './action-holders.service.js';

@ApiTags('Roles')
@Controller()
export class ActionHoldersController {
  constructor(private readonly holders: ActionHoldersService) {}

  /** Find out which roles and people hold an action: whom to ask for what one may not do oneself */
  @Get('org/:orgId/action-holders')
  @Access(null, { orgKeys: false })
  @Returns(ActionHolders, { message: 'Holders retrieved successfully' })
  listActionHolders(@OrgId() orgId: string, @Query() { action }: ActionHoldersQuery): Promise<ActionHolders> {
    return this.holders.find(orgId, action);
  }
}
