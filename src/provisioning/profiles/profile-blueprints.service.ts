import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AppError, Db, Drain, Hooks, isOutage, PeriodicTask, PgNotifications } from '#platform';
import { SiteDocumentsService } from '../../blueprints/index.js';
import { ProfileBlueprintsRepository } from './profile-blueprints.repository.js';

const POLL_MS = 2000;
const AT_ONCE = 20;
/** For a document that is being applied. */
const STOP_MS = 5000;

/**
 * Applies the blueprint of a site's profile once, before anything that its agent sends. The claim's transaction says that it is owed; the
 * server that claimed applies it right after. What was lost in between, or could not be applied, any server takes up: some times, ever more
 * seldom, and with each claim, session and document of the site, and when the site is approved.
 */
@Injectable()
export class ProfileBlueprints implements OnModuleInit, OnApplicationBootstrap {
  private readonly logger = new Logger(ProfileBlueprints.name);
  /** Approved by this process; the notice comes when that is committed. */
  private readonly approved = new Set<number>();
  private readonly waiting = new Set<number>();
  private running = false;
  private readonly task = new PeriodicTask(ProfileBlueprints.name, {
    failure: 'Blueprints of profiles that are due could not be read',
    everyMs: POLL_MS,
    run: () => this.applyDue(),
  });
  private stopped = false;

  constructor(
    private readonly db: Db,
    private readonly repository: ProfileBlueprintsRepository,
    private readonly blueprints: SiteDocumentsService,
    private readonly hooks: Hooks,
    private readonly notifications: PgNotifications,
    drain: Drain,
  ) {
    drain.register('flush', 'blueprints of profiles', () => this.stop());
  }

  onModuleInit(): void {
    this.hooks.siteApproved.register((_tx, _orgId, siteId) => {
      this.approved.add(siteId);
      return Promise.resolve();
    });
    this.notifications.on('site_changed', (payload) => {
      if (this.approved.delete(Number(payload))) this.soon(Number(payload));
    });
    this.notifications.onReconnected(() => {
      for (const siteId of this.approved) this.soon(siteId);
      this.approved.clear();
    });
  }

  onApplicationBootstrap(): void {
    this.task.wake();
  }

  private async stop(): Promise<string | undefined> {
    this.stopped = true;
    return (await this.task.stop(STOP_MS)) ? undefined : 'one is being applied; it is tried again by any server';
  }

  /** In the transaction that makes the sites. */
  async owe(tx: EntityManager, siteIds: number[]): Promise<void> {
    await this.repository.owe(tx, siteIds);
  }

  /** The same as `ensure` without waiting for it: one site after the other, however many come at once. */
  soon(siteId: number): void {
    this.waiting.add(siteId);
    if (!this.running) void this.drain();
  }

  /** Never throws: the claim has happened, and what is missing is still owed. @returns whether nothing is owed any more. */
  async ensure(siteId: number): Promise<boolean> {
    try {
      const due = await this.repository.dueOf(this.db.manager, siteId);
      if (due && !(await this.blueprints.applyProfile(due.orgId, siteId, due.blueprint))) return false;
      await this.repository.settle(this.db.manager, siteId);
      return true;
    } catch (error) {
      // Owed still; a full queue of documents is no fault of this one.
      const later = isOutage(error) || (error instanceof AppError && error.code === 'capacity');
      if (!later) this.logger.error({ err: error, siteId }, 'The blueprint of a profile could not be applied');
      return false;
    }
  }

  private async drain(): Promise<void> {
    this.running = true;
    for (const siteId of this.waiting) {
      this.waiting.delete(siteId);
      await this.ensure(siteId);
    }
    this.running = false;
  }

  private async applyDue(): Promise<void> {
    for (let taken = AT_ONCE; taken === AT_ONCE && !this.stopped; ) {
      const due = await this.repository.take(this.db.manager, AT_ONCE);
      taken = due.length;
      for (const { siteId, last } of due) {
        if (this.stopped || (await this.ensure(siteId)) || !last) continue;
        this.logger.warn(
          { siteId },
          'The blueprint of a profile is not tried again by itself; what is wrong stands with the site',
        );
        await this.repository.settle(this.db.manager, siteId);
      }
    }
  }
}
