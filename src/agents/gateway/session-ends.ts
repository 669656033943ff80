import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CLOSE } from '#contracts';
import { PeriodicTask } from '#platform';
import { SessionRegistry } from './session-registry.js';

const LOOK_MS = 500;

/** Closes sessions when their credential ends, whether or not the database can be asked: an end never comes later than it was said (docs/credentials.md §2). */
@Injectable()
export class SessionEnds implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly task = new PeriodicTask(SessionEnds.name, {
    failure: 'Sessions of credentials that ended could not be closed',
    everyMs: LOOK_MS,
    run: () => {
      const now = performance.now();
      for (const session of this.registry.ending)
        if (session.endsAt <= now) this.registry.end(session, 'credential_ended', CLOSE.credentialEnded);
    },
  });

  constructor(private readonly registry: SessionRegistry) {}

  onApplicationBootstrap(): void {
    this.task.wake(LOOK_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }
}
