import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Db, Hooks, isDatabaseAway, Notices, query } from '../../../libs/platform/index.js';
import { BlueprintsService } from '../../blueprints/index.js';

/**
 * Applies the blueprint of a site's profile once, before anything that its agent sends: right after the claim, and as long as it could
 * not be applied again with each claim, session and document of the site, and when the site is approved.
 */
@Injectable()
export class ProfileBlueprints implements OnModuleInit {
  private readonly logger = new Logger(ProfileBlueprints.name);
  /** Approved by this process; the notice comes when that is committed. */
  private readonly approved = new Set<number>();
  private readonly waiting = new Set<number>();
  private running = false;

  constructor(
    private readonly db: Db,
    private readonly blueprints: BlueprintsService,
    private readonly hooks: Hooks,
    private readonly notices: Notices,
  ) {}

  onModuleInit(): void {
    this.hooks.siteApproved.register((_tx, _orgId, siteId) => {
      this.approved.add(siteId);
      return Promise.resolve();
    });
    this.notices.on('site_changed', (payload) => {
      if (this.approved.delete(Number(payload))) this.soon(Number(payload));
    });
    this.notices.onReconnected(() => {
      for (const siteId of this.approved) this.soon(siteId);
      this.approved.clear();
    });
  }

  /** The same as `ensure` without waiting for it: one site after the other, however many come at once. */
  soon(siteId: number): void {
    this.waiting.add(siteId);
    if (!this.running) void this.drain();
  }

  /** Never throws: the claim has happened, and what is missing is made up for later. */
  async ensure(siteId: number): Promise<void> {
    try {
      const [due] = await query<{ orgId: string; blueprint: string }>(
        this.db.manager,
        `SELECT s.org_id AS "orgId", p.blueprint FROM site s JOIN provisioning_template t ON t.template_id = s.template_id JOIN provisioning_profile p ON p.profile_id = t.profile_id
         WHERE s.site_id = $1 AND p.blueprint IS NOT NULL AND NOT EXISTS (SELECT FROM blueprint_source b WHERE b.site_id = s.site_id AND b.kind = 'profile')`,
        [siteId],
      );
      if (due) await this.blueprints.applyProfile(due.orgId, siteId, due.blueprint);
    } catch (error) {
      if (!isDatabaseAway(error)) this.logger.error({ err: error, siteId }, 'The blueprint of a profile could not be applied');
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
}
