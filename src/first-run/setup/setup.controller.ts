import { Body, Controller, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Caller, ErrorResponses, type Principal, Public, Returns } from '#platform';
import { SessionCookie } from '../../access/index.js';
import { SetUpBody, SetUpView } from './setup.dto.js';
import { SetupService } from './setup.service.js';

@ApiTags('Session')
@Controller('setup')
export class SetupController {
  constructor(
    private readonly setup: SetupService,
    private readonly cookie: SessionCookie,
  ) {}

  /** Set up a new installation, with the link that its start printed; begins a session, whose cookie the answer sets */
  @Post()
  @Public('the token of a link that is good once is its credential', { csrf: true })
  @ErrorResponses(400, 403, 404, 409, 429, 503)
  @Returns(SetUpView, { message: 'Set up successfully' })
  async setUp(
    @Caller() caller: Principal,
    @Body() body: SetUpBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SetUpView> {
    const { token, ...view } = await this.setup.setUp(caller, body);
    this.cookie.set(reply, token, view.expiresAt);
    return view;
  }
}
