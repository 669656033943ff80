import { Injectable } from '@nestjs/common';
import { Hook, type Principal } from '#platform';
import type { RolloutSettings } from '../rollouts/rollout-settings.js';

/** What follows a change of a secret that sites use, in its transaction; filled by what stands on secrets: rollouts and bundles. */
@Injectable()
export class SecretChanges {
  /** Some sites are offered an earlier version; others get the new one once a rollout has settled it. */
  readonly versionAdded = new Hook<
    [principal: Principal, orgId: string, secret: { secretId: number; name: string; version: number }, RolloutSettings]
  >();

  /** It is for other profiles than before, and these sites are offered it. */
  readonly profilesChanged = new Hook<[orgId: string, siteIds: number[]]>();
}
