import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { AtRoot, ErrorResponses, Public, Readiness, Returns } from '#platform';
import { AliveView, GreetingView, ReadyView } from './health.dto.js';

@ApiTags('Health')
@Controller()
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  /** Say whether the process lives: true as long as it answers, with or without a database */
  @Get('healthz')
  @AtRoot()
  @Public('asked by supervisors')
  @Returns(AliveView, { message: 'Alive', bare: true })
  getHealth(): AliveView {
    return { status: 'ok' };
  }

  /** Say whether the server is ready: 503 while PostgreSQL is away, its disk is full, or the server is stopping */
  @Get('readyz')
  @AtRoot()
  @Public('asked by load balancers')
  @Returns(ReadyView, { message: 'Ready', bare: true })
  @ErrorResponses(503)
  async getReadiness(): Promise<ReadyView> {
    return { status: 'ok', ...(await this.readiness.ask()) } as ReadyView;
  }

  /** Say that the API is there; the answer has no envelope */
  @Get()
  @Public('tells a client that it found the API')
  @Returns(GreetingView, { message: 'Healthy', bare: true })
  getGreeting(): GreetingView {
    return { message: 'Healthy' };
  }
}
