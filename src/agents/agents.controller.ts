import { Body, Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiSecurity, ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  ErrorResponses,
  type GatehouseRequest,
  Id,
  OrgId,
  type Principal,
  Public,
  Returns,
  SiteAccess,
} from '#platform';
import { DeviceSelf, NewtCredentials, SessionToken } from './agents.dto.js';
import { AgentsService } from './agents.service.js';
import { SessionRestarts } from './gateway/session-restarts.js';

/** What agents ask over HTTP before and beside their session. */
@ApiTags('Agents')
@Controller()
export class AgentsController {
  constructor(
    private readonly agents: AgentsService,
    private readonly restarts: SessionRestarts,
  ) {}

  /** Exchange newt credentials for a session token */
  @Post('auth/newt/get-token')
  @Public('a newt proves itself with the credentials in the body')
  @ErrorResponses(400, 401, 429, 503)
  @Returns(SessionToken, { message: 'Token created successfully' })
  getNewtToken(@Caller() caller: Principal, @Body() body: NewtCredentials): Promise<SessionToken> {
    return this.agents.tokenForNewt(caller, body);
  }

  /** Exchange a device API key, or what the TLS connection proves, for a session token */
  @Post('auth/device/get-token')
  @Public('a device proves itself with its API key or its connection; every refusal is the one that a newt gets')
  @ApiSecurity('deviceKey')
  @ErrorResponses(401, 429, 503)
  @Returns(SessionToken, { message: 'Token created successfully' })
  getDeviceToken(@Caller() caller: Principal, @Req() request: GatehouseRequest): Promise<SessionToken> {
    return this.agents.tokenForDevice(caller, request.raw);
  }

  /** Answer a newt that asks for updates of itself; there are none here */
  @Post('auth/newt/version')
  @Public('answers nothing')
  @HttpCode(204)
  @ApiNoContentResponse({ description: 'Updates are not managed here' })
  getNewtVersion(): void {}

  /** Have the agent of a site connect again */
  @Post('site/:siteId/restart')
  @Access('updateSite')
  @Returns('empty', { status: 202, message: 'The site was asked to connect again' })
  restartSite(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteId') siteId: number) {
    return this.restarts.ask(principal, orgId, siteId);
  }

  /** Read the site whose credential is presented */
  @Get('device/self')
  @SiteAccess()
  @Returns(DeviceSelf, { message: 'The device', bare: true })
  getDeviceSelf(@Caller() caller: Principal): Promise<DeviceSelf> {
    return this.agents.self(caller);
  }
}
