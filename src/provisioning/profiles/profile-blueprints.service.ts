import { Injectable, Logger } from '@nestjs/common';
import { Db, isDatabaseAway, query } from '../../../libs/platform/index.js';
import { BlueprintsService } from '../../blueprints/index.js';

/**
 * Applies the blueprint of a site's profile once, before anything that its agent sends. Right after the claim; and, should the server have
 * died in between, before the agent's first document.
 */
@Injectable()
export class ProfileBlueprints {
  private readonly logger = new Logger(ProfileBlueprints.name);

  constructor(
    private readonly db: Db,
    private readonly blueprints: BlueprintsService,
  ) {}

  /** Never throws: the claim has happened, and what is missing is made up for before the agent's own blueprint. */
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
}
