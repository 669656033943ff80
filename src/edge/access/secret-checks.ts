import { Injectable } from '@nestjs/common';
import { addressBucket, FairQueue } from '#platform';
import { SharedSecrets } from '../../resources/index.js';
import type { EdgeRequest } from './edge-request.js';
import { type Guess, Guesses } from './guesses.js';

/**
 * Slow comparisons. Resources take turns, and at one resource those who try; all these together are one source in the queue
 * that logins at the dashboard are in too.
 */
@Injectable()
export class SecretChecks {
  private readonly queue = new FairQueue({
    running: 2,
    waitingPerSource: 50,
    waiting: 500,
    refusal: 'Too many are logging in at the moment',
  });

  constructor(
    private readonly secrets: SharedSecrets,
    private readonly guesses: Guesses,
  ) {}

  /** @throws capacity, and then it was no guess */
  async isRight({ route, client }: EdgeRequest, secret: string, stored: string, guess: Guess): Promise<boolean> {
    const source = `resource:${route.settings.resourceId}`;
    let none = true;
    try {
      const right = await this.queue.run({ source, name: addressBucket(client) }, () =>
        this.secrets.recognises(secret, stored, { source: 'visitors of resources', name: source }),
      );
      none = right;
      return right;
    } finally {
      if (none) await this.guesses.wasNone(guess);
    }
  }
}
