import { Injectable } from '@nestjs/common';
import { AppError, Db, InvalidatedCache, PgNotifications, query } from '#platform';

/** How long a machine waits until it asks again: with a hundred thousand of them, a few hundred a second. */
const MACHINES_WAIT = 300;

/** Which organizations are closed (docs/adr/0077): nothing of them changes, and nobody is served but people who look. */
@Injectable()
export class ClosedOrgs {
  private readonly known: InvalidatedCache<{ closed: boolean }>;

  constructor(
    private readonly db: Db,
    notifications: PgNotifications,
  ) {
    this.known = new InvalidatedCache(notifications, {
      max: 10_000,
      channels: { access_changed: (name) => [name] },
      tags: (orgId) => [`org:${orgId}`],
    });
  }

  async isClosed(orgId: string): Promise<boolean> {
    const found = await this.known.get(orgId, async () => {
      const rows = await query(this.db.manager, 'SELECT FROM closed_org WHERE org_id = $1', [orgId]);
      return { closed: rows.length > 0 };
    });
    return found!.closed;
  }

  /** For a request of a site. @throws out_of_service, which has machines ask again later and keep what they have */
  async requireOpenToSites(orgId: string): Promise<void> {
    if (await this.isClosed(orgId)) throw outOfService();
  }
}

/** For sites: nothing is wrong with their credential. */
export const outOfService = () =>
  new AppError('out_of_service', 'The organization is closed for now', { retryAfter: MACHINES_WAIT });
