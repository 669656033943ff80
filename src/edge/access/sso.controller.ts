import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Caller, type GatehouseRequest, type Principal, Returns, UserAccess } from '#platform';
import { ResourceLoginAnswer, ResourceLoginBody } from './sso.dto.js';
import { SsoService } from './sso.service.js';

@ApiTags('Session')
@Controller()
export class SsoController {
  constructor(private readonly sso: SsoService) {}

  /** Log in to a public resource that asked the dashboard who its visitor is */
  @Post('auth/resource-login')
  @UserAccess({ csrf: true })
  @HttpCode(200)
  @Returns(ResourceLoginAnswer, { message: 'Logged in to the resource successfully' })
  logInToResource(
    @Caller() caller: Principal,
    @Body() body: ResourceLoginBody,
    @Req() { headers }: GatehouseRequest,
  ): Promise<ResourceLoginAnswer> {
    return this.sso.begin(caller, body.request, headers['user-agent']);
  }
}
