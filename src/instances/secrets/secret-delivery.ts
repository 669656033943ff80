import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AppError, Hooks, mayUseSecrets, type Principal, query, type ReceivesUnder, refuseSecrets } from '#platform';
import type { NamedSecret } from './secrets.repository.js';

/** The profile under which sites are. */
const PROFILE_OF: Record<Exclude<ReceivesUnder['kind'], 'site'>, string> = {
  profile: 'SELECT $2::bigint',
  template: 'SELECT profile_id FROM provisioning_template WHERE org_id = $1 AND template_id = $2',
  key: 'SELECT t.profile_id FROM provisioning_key k JOIN provisioning_template t USING (template_id) WHERE k.org_id = $1 AND k.key_id = $2',
};

/** Whether a secret with these `profileIds` is for a profile. */
export const isFor = (profileIds: number[] | null, profileId: number | null): boolean =>
  profileIds === null || (profileId !== null && profileIds.includes(profileId));

/** Who may let a site receive a secret: `useSecret` beside the action of the act (docs/instances.md §2). */
@Injectable()
export class SecretDelivery implements OnModuleInit {
  constructor(private readonly hooks: Hooks) {}

  onModuleInit(): void {
    this.hooks.deliversSecrets.register((tx, principal, orgId, under) => this.assertUnder(tx, principal, orgId, under));
    this.hooks.siteProfileChanging.register((tx, principal, orgId, _siteId, profileId) =>
      this.assertUnder(tx, principal, orgId, { kind: 'profile', id: profileId }),
    );
  }

  /** For who saves a bootstrap, or goes back to one: the secrets that it names, locked by `SecretsService.named`. @throws permission_denied */
  assertFor(profileId: number, secrets: Iterable<NamedSecret>): void {
    for (const { name, profileIds } of secrets)
      if (!isFor(profileIds, profileId))
        throw new AppError('permission_denied', `The secret ${name} is not for this profile`);
  }

  /** @throws permission_denied without `useSecret` */
  assertMay(principal: Principal, orgId: string): void {
    if (!mayUseSecrets(principal, orgId)) throw refuseSecrets();
  }

  private async assertUnder(tx: EntityManager, principal: Principal, orgId: string, { kind, id }: ReceivesUnder) {
    if (mayUseSecrets(principal, orgId)) return;
    const receives =
      kind === 'site'
        ? 'SELECT FROM site_with_secrets JOIN site USING (site_id) WHERE org_id = $1 AND site_id = $2'
        : `SELECT FROM profile_with_secrets WHERE profile_id = (${PROFILE_OF[kind]}) AND $1::text IS NOT NULL`;
    const [row] = await query<{ receives: boolean }>(tx, `SELECT EXISTS (${receives}) AS receives`, [orgId, id]);
    if (row!.receives) throw refuseSecrets();
  }
}
