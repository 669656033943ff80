import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Caller, ErrorResponses, PageQuery, type Principal, Public, Returns, UserAccess } from '#platform';
import { LoginService } from './login.service.js';
import { SessionCookie } from './session-cookie.js';
import { ChangePasswordBody, EndedSessions, LoginBody, LoginView, OwnSessionList, UserView } from './sessions.dto.js';
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

  /** List the sessions of the logged-in user that have not ended, the one used last first */
  @Get('auth/sessions')
  @UserAccess()
  @Returns(OwnSessionList, { message: 'Sessions retrieved successfully' })
  listOwnSessions(@Caller() caller: Principal, @Query() query: PageQuery): Promise<OwnSessionList> {
    return this.sessions.list(caller, query);
  }

  /** End a session of the logged-in user, wherever it was begun */
  @Delete('auth/session/:sessionId')
  @UserAccess({ csrf: true })
  @ErrorResponses(404)
  @Returns(null, { message: 'Session ended successfully' })
  endOwnSession(@Caller() caller: Principal, @Param('sessionId') sessionId: string): Promise<void> {
    return this.sessions.end(caller, sessionId);
  }

  /** End every session of the logged-in user but this one */
  @Post('auth/end-other-sessions')
  @UserAccess({ csrf: true })
  @HttpCode(200)
  @Returns(EndedSessions, { message: 'Other sessions ended successfully' })
  endOtherSessions(@Caller() caller: Principal): Promise<EndedSessions> {
    return this.sessions.endOthers(caller);
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
