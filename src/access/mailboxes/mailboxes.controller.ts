import { Body, Controller, Param, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Caller, ErrorResponses, type Principal, Public, Returns, RootAccess } from '#platform';
import { AnyUserView } from '../users/users.dto.js';
import { UsersService } from '../users/users.service.js';
import {
  ConfirmResetBody,
  RequestCodeBody,
  RequestResetBody,
  VerifiedEmail,
  VerifyEmailBody,
} from './mailboxes.dto.js';
import { MailboxesService } from './mailboxes.service.js';
import { PasswordResetsService } from './password-resets.service.js';

/** How an account's mailbox is proven, or confirmed (docs/adr/0018). */
@ApiTags('Users')
@Controller()
export class MailboxesController {
  constructor(
    private readonly mailboxes: MailboxesService,
    private readonly resets: PasswordResetsService,
    private readonly users: UsersService,
  ) {}

  /** Mail a code to an address whose account is not verified; the answer is the same when there is none */
  @Post('auth/verify-email/request')
  @Public('goes to the mailbox that it asks about; says nothing about accounts')
  @ErrorResponses(400, 429, 503)
  @Returns('empty', { message: 'If the address has an account that is not verified, a code is on its way' })
  requestEmailCode(@Caller() caller: Principal, @Body() body: RequestCodeBody): object {
    this.mailboxes.request(caller, body);
    return {};
  }

  /** Prove a mailbox by a mailed code: the account gets a new password, and loses its sessions and memberships */
  @Post('auth/verify-email')
  @Public('the mailed code is the credential')
  @ErrorResponses(400, 404, 429, 503)
  @Returns(VerifiedEmail, { message: 'E-mail address verified successfully' })
  verifyEmail(@Caller() caller: Principal, @Body() body: VerifyEmailBody): Promise<VerifiedEmail> {
    return this.mailboxes.prove(caller, body);
  }

  /** Mail a link for a new password to an address; the answer is the same when it has no account */
  @Post('auth/reset-password/request')
  @Public('goes to the mailbox that it asks about; says nothing about accounts')
  @ErrorResponses(400, 429, 503)
  @Returns('empty', { message: 'If the address has an account, a link is on its way' })
  requestPasswordReset(@Caller() caller: Principal, @Body() body: RequestResetBody): object {
    this.resets.request(caller, body);
    return {};
  }

  /** Choose a new password by the token of a link; every session of the account ends */
  @Post('auth/reset-password/confirm')
  @Public('the token of the link is the credential')
  @ErrorResponses(400, 404, 429, 503)
  @Returns(VerifiedEmail, { message: 'Password changed successfully' })
  confirmPasswordReset(@Caller() caller: Principal, @Body() body: ConfirmResetBody): Promise<VerifiedEmail> {
    return this.resets.confirm(caller, body);
  }

  /** Confirm that an account belongs to the owner of its address; it stays as it is */
  @Post('user/:userId/verify')
  @RootAccess('updateUser')
  @Returns(AnyUserView, { message: 'User verified successfully' })
  async verifyUser(@Caller() principal: Principal, @Param('userId') userId: string): Promise<AnyUserView> {
    await this.mailboxes.confirm(principal, { userId });
    return this.users.get(principal, userId);
  }
}
