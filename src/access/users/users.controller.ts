import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Caller, type Principal, Returns, RootAccess } from '#platform';
import { AnyUserView, TwoFactorBody, TwoFactorView } from './users.dto.js';
import { UsersService } from './users.service.js';

/** Users of the whole installation (docs/integration-api.md §3.10). */
@ApiTags('Users')
@Controller('user/:userId')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  /** Read any user */
  @Get()
  @RootAccess('getUser')
  @Returns(AnyUserView, { message: 'User retrieved successfully' })
  getAnyUser(@Caller() principal: Principal, @Param('userId') userId: string): Promise<AnyUserView> {
    return this.users.get(principal, userId);
  }

  /** Ask a user to set up a second factor; not available yet */
  @Post('2fa')
  @RootAccess('updateUser')
  @Returns(TwoFactorView, { message: 'User updated successfully' })
  setUserTwoFactor(
    @Caller() principal: Principal,
    @Param('userId') userId: string,
    @Body() body: TwoFactorBody,
  ): Promise<TwoFactorView> {
    return this.users.setTwoFactor(principal, userId, body.twoFactorSetupRequested);
  }
}
