import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Config, Db, Drain, isOutage, PeriodicTask, systemPrincipal } from '#platform';
import { AuditService, EventsService } from '../../audit/index.js';
import { ServerLease } from '../../cluster/index.js';
import { SiteLifecycleService } from '../../sites/index.js';
import { SiteExpiryRepository } from './site-expiry.repository.js';

const LOOK_EVERY_MS = 10_000;
const AT_ONCE = 100;

/**
 * Removes ephemeral sites that have been offline for as long as they may (docs/claims.md rule 32), each in a transaction of its own. Servers
 * with the role `jobs` share the work: a site that one of them holds is passed over by the others.
 */
@Injectable()
export class SiteExpiry implements OnApplicationBootstrap {
  private readonly task = new PeriodicTask(SiteExpiry.name, {
    failure: 'Ephemeral sites could not be removed',
    everyMs: LOOK_EVERY_MS,
    run: () => this.removeDue(),
  });
  private readonly principal = systemPrincipal('expiry');
  private stopped = false;

  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly repository: SiteExpiryRepository,
    private readonly lease: ServerLease,
    private readonly sites: SiteLifecycleService,
    private readonly audit: AuditService,
    private readonly events: EventsService,
    drain: Drain,
  ) {
    drain.register('flush', 'removal of ephemeral sites', () => {
      this.stopped = true;
      return this.task.stop();
    });
  }

  onApplicationBootstrap(): void {
    if (this.config.cluster.roles.has('jobs')) this.task.wake(LOOK_EVERY_MS);
  }

  /** One round: every site that is due. One that cannot be removed stops no other. @returns how many were. @throws what the first of those met */
  async removeDue(): Promise<number> {
    let removed = 0;
    const problems: unknown[] = [];
    for (let after = 0, more = true; more && !this.stopped; ) {
      const takenSince = await this.lease.sessionsTakenSince();
      if (takenSince === null) break;
      const due = await this.repository.due(this.db.manager, takenSince, after, AT_ONCE);
      for (const { siteId } of due) {
        if (this.stopped) break;
        try {
          if (await this.remove(siteId, takenSince)) removed++;
        } catch (error) {
          if (isOutage(error)) throw error;
          problems.push(error);
        }
        after = siteId;
      }
      more = due.length === AT_ONCE;
    }
    if (problems.length > 0) throw problems[0];
    return removed;
  }

  /** @returns false when it is not due any more, or somebody else holds it. */
  private remove(siteId: number, takenSince: Date): Promise<boolean> {
    return this.db.tx(async (tx) => {
      const site = await this.repository.lockDue(tx, takenSince, siteId);
      if (!site) return false;
      const { orgId, niceId, name, hardwareId, ephemeralSeconds, offlineSince } = site;
      await this.sites.remove(tx, orgId, siteId, 'expired');
      await this.audit.record(tx, this.principal, {
        orgId,
        action: 'site.expire',
        target: { type: 'site', id: siteId },
        details: { niceId, name, offlineSince },
      });
      await this.events.emit(tx, {
        orgId,
        type: 'site.expired',
        siteId,
        data: { niceId, name, hardwareId, ephemeralSeconds, offlineSince },
      });
      return true;
    });
  }
}
