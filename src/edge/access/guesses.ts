import { Injectable } from '@nestjs/common';
import { addressBucket, Db } from '#platform';
import { EventsService } from '../../audit/index.js';
import { AccessRepository } from './access.repository.js';
import type { EdgeRequest } from './edge-request.js';

/** Wrong ones in an hour: at a resource, and from one place. Six digits then last years, and no one place shuts others out. */
const PER_RESOURCE = 100;
const PER_SOURCE = 20;

/** A guess that was counted, until it turns out to be none. */
export interface Guess {
  resourceId: number;
  buckets: string[];
}

/**
 * Counts wrong PINs, passwords and codes, for all servers together. A guess is counted before it is looked at, so that no number of them at once gets
 * past the bound. Who was right before is counted apart: strangers who guess do not shut them out.
 */
@Injectable()
export class Guesses {
  constructor(
    private readonly db: Db,
    private readonly repository: AccessRepository,
    private readonly events: EventsService,
  ) {}

  /**
   * @param knownAs of a browser or a place from which something right came before
   * @returns null when there were too many: it is not to be looked at
   */
  async begin({ route, client }: EdgeRequest, knownAs: string | undefined): Promise<Guess | null> {
    const { resourceId, orgId } = route.settings;
    const source = knownAs === undefined ? `from ${addressBucket(client)}` : `known ${knownAs}`;
    const all = knownAs === undefined ? 'strangers' : 'known';
    return this.db.tx(async (tx) => {
      if ((await this.repository.countGuess(tx, resourceId, source)) > PER_SOURCE) return null;
      const count = await this.repository.countGuess(tx, resourceId, all);
      if (count === PER_RESOURCE + 1)
        await this.events.emit(tx, { orgId, type: 'resource.guessed', data: { resourceId, by: all } });
      return count > PER_RESOURCE ? null : { resourceId, buckets: [source, all] };
    });
  }

  /** It was right, or was not looked at. */
  async wasNone({ resourceId, buckets }: Guess): Promise<void> {
    await this.repository.uncountGuess(this.db.manager, resourceId, buckets);
  }
}
