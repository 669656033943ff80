import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  DatabaseDisk,
  DatabaseHealth,
  databaseAway,
  databaseFull,
  ErrorResponses,
  FeedWatch,
  Public,
  Returns,
} from '#platform';
import { AliveView, GreetingView, ReadyView } from './health.dto.js';

@ApiTags('Health')
@Controller()
export class HealthController {
  constructor(
    private readonly database: DatabaseHealth,
    private readonly disk: DatabaseDisk,
    private readonly feed: FeedWatch,
  ) {}

  /** Alive: true as long as the process answers, with or without a database. */
  @Get('healthz')
  @Public('asked by supervisors')
  @Returns(AliveView, { message: 'Alive', bare: true })
  getHealth(): AliveView {
    return { status: 'ok' };
  }

  /** Ready to serve: 503 while PostgreSQL cannot be reached or its disk is full. Migrations ran before the server listened. */
  @Get('readyz')
  @Public('asked by load balancers')
  @Returns(ReadyView, { message: 'Ready', bare: true })
  @ErrorResponses(503)
  async getReadiness(): Promise<ReadyView> {
    if (!(await this.database.check())) throw databaseAway();
    if (this.disk.isFull) throw databaseFull();
    const seconds = this.feed.heldBackFor;
    const { silentFor } = this.database;
    return {
      status: 'ok',
      database: silentFor === 0 ? 'ok' : `slow: no answer for ${silentFor} s`,
      eventFeed: seconds === 0 ? 'ok' : `held back for ${seconds} s by an open transaction`,
    };
  }

  /** Bare, no envelope (docs/integration-api.md §1.1). */
  @Get()
  @Public('tells a client that it found the API')
  @Returns(GreetingView, { message: 'Healthy', bare: true })
  getGreeting(): GreetingView {
    return { message: 'Healthy' };
  }
}
