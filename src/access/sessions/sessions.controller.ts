import { Body, Controller, Get, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Caller, ErrorResponses, type Principal, Public, Returns, UserAccess } from '#platform';
import { LoginService } from './login.service.js';
import { SessionCookie } from './session-cookie.js';
import { ChangePasswordBody, LoginBody, LoginView, UserView } from './sessions.dto.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('Session')
@Controller()
export class SessionsController {
  constructor(
    private readonly logins: LoginService,
    private readonly sessions: SessionsService,
    private readonly cookie: SessionCookie,
  ) {}

  /** Log in: begin a session, whose cookie the answer sets */
  @Post('auth/login')
  @Public('begins a session', { csrf: true })
  @ErrorResponses(400, 401, 403, 429, 503)
  @Returns(LoginView, { message: 'Logged in successfully' })
  async login(
    @Caller() caller: Principal,
    @Body() body: LoginBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LoginView> {
    const { token, ...view } = await this.logins.login(caller, body);
    this.cookie.set(reply, token, view.expiresAt);
    return view;
  }

  /** Log out: end the session that the cookie names */
  @Post('auth/logout')
  @UserAccess({ csrf: true })
  @Returns(null, { message: 'Logged out successfully' })
  async logout(@Caller() caller: Principal, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    await this.sessions.close(caller);
    this.cookie.clear(reply);
  }

  /** Change the password and end the user's other sessions */
  @Post('auth/change-password')
  @UserAccess({ csrf: true })
  @Returns(null, { message: 'Password changed successfully' })
  changePassword(@Caller() caller: Principal, @Body() body: ChangePasswordBody): Promise<void> {
    return this.logins.changePassword(caller, body);
  }

  /** Read the logged-in user, with memberships, roles and what they allow */
  @Get('user')
  @UserAccess()
  @Returns(UserView, { message: 'User retrieved successfully' })
  getUser(@Caller() caller: Principal): Promise<UserView> {
    return this.sessions.describe(caller);
  }
}
