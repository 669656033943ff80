import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  OrgId,
  PageQuery,
  type Principal,
  Public,
  Returns,
} from '#platform';
import {
  AcceptedInvite,
  AcceptInviteBody,
  CreatedInvite,
  CreateInviteBody,
  InvitationList,
  InvitationView,
} from './invitations.dto.js';
import { InvitationsService } from './invitations.service.js';

/** Invitations, and where an invited person accepts one (docs/integration-api.md §3.10). */
@ApiTags('Invitations')
@Controller()
export class InvitationsController {
  constructor(private readonly invitations: InvitationsService) {}

  /** List pending invitations */
  @Get('org/:orgId/invitations')
  @Access('listInvitations')
  @Returns(InvitationList, { message: 'Invitations retrieved successfully', exports: true })
  listInvitations(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.invitations.list(principal, orgId, query, format);
  }

  /** Read a pending invitation */
  @Get('org/:orgId/invitations/:inviteId')
  @Access('listInvitations')
  @Returns(InvitationView, { message: 'Invitation retrieved successfully' })
  getInvitation(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('inviteId') inviteId: string,
  ): Promise<InvitationView> {
    return this.invitations.get(principal, orgId, inviteId);
  }

  /** Invite somebody by e-mail */
  @Post('org/:orgId/create-invite')
  @Access('inviteUser')
  @ErrorResponses(409)
  @Returns(CreatedInvite, { message: 'User invited successfully', creates: true })
  createInvite(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Body() body: CreateInviteBody,
  ): Promise<CreatedInvite> {
    return this.invitations.create(principal, orgId, body);
  }

  /** Revoke an invitation */
  @Delete('org/:orgId/invitations/:inviteId')
  @Access('removeInvitation')
  @Returns(null, { message: 'Invitation removed successfully' })
  removeInvitation(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('inviteId') inviteId: string,
  ): Promise<void> {
    return this.invitations.delete(principal, orgId, inviteId);
  }

  /** Accept an invitation: the token of the link makes the address a member, once */
  @Post('invite/accept')
  @Public('the token of an invitation is the credential')
  @ErrorResponses(400, 404, 409, 429, 503)
  @Returns(AcceptedInvite, { message: 'Invitation accepted successfully' })
  acceptInvite(@Caller() caller: Principal, @Body() body: AcceptInviteBody): Promise<AcceptedInvite> {
    return this.invitations.accept(caller, body);
  }
}
