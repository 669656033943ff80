import { Module, type OnModuleInit } from '@nestjs/common';
import { Config, Db, Hooks, query, Retention, SearchKinds, TenantResolvers } from '#platform';
import { AccessModule } from '../access/index.js';
import { ApprovalsModule } from '../approvals/index.js';
import { BlueprintsModule } from '../blueprints/index.js';
import { OrgsModule } from '../orgs/index.js';
import { SitesModule } from '../sites/index.js';
import { AuthoritiesRepository } from './authority/authorities.repository.js';
import { AuthoritiesService } from './authority/authorities.service.js';
import { AuthorityController } from './authority/authority.controller.js';
import { CertificateAuthority } from './authority/certificate-authority.js';
import { RevocationLists } from './authority/revocation-lists.service.js';
import { RevocationsRepository } from './authority/revocations.repository.js';
import { ClaimAdministrationService } from './claims/claim-administration.service.js';
import { ClaimBatches } from './claims/claim-batches.service.js';
import { ClaimsController } from './claims/claims.controller.js';
import { ClaimsRepository } from './claims/claims.repository.js';
import { ClaimsService } from './claims/claims.service.js';
import { CredentialIssuer } from './claims/credential-issuer.js';
import { DeviceClaimController } from './claims/device-claim.controller.js';
import { KeyPolicies } from './claims/key-policies.js';
import { KeyRefusals } from './claims/key-refusals.service.js';
import { NewtClaimController } from './claims/newt-claim.controller.js';
import { Reclaims } from './claims/reclaims.service.js';
import { Refusals } from './claims/refusals.js';
import { EstController } from './est/est.controller.js';
import { EstRepository } from './est/est.repository.js';
import { EstService } from './est/est.service.js';
import { EstRefusals } from './est/est-refusals.js';
import { ExpiringController } from './expiring/expiring.controller.js';
import { ExpiringRepository } from './expiring/expiring.repository.js';
import { ExpiringService } from './expiring/expiring.service.js';
import { HardwareIdPatterns } from './hardware-id-patterns.js';
import { KeysController } from './keys/keys.controller.js';
import { KeysRepository } from './keys/keys.repository.js';
import { KeysService } from './keys/keys.service.js';
import { ProfileBlueprintsRepository } from './profiles/profile-blueprints.repository.js';
import { ProfileBlueprints } from './profiles/profile-blueprints.service.js';
import { ProfilesController } from './profiles/profiles.controller.js';
import { ProfilesService } from './profiles/profiles.service.js';
import { ReplacementsRepository } from './replacements/replacements.repository.js';
import { Replacements } from './replacements/replacements.service.js';
import { RolloutController } from './rollout/rollout.controller.js';
import { RolloutRepository } from './rollout/rollout.repository.js';
import { RolloutService } from './rollout/rollout.service.js';
import { TemplatesController } from './templates/templates.controller.js';
import { TemplatesService } from './templates/templates.service.js';
import { UsersRepository } from './users.repository.js';

/** Profiles, templates, provisioning keys, and claims: how a shared key becomes a site's own credential. */
@Module({
  imports: [AccessModule, ApprovalsModule, OrgsModule, BlueprintsModule, SitesModule],
  controllers: [
    ProfilesController,
    TemplatesController,
    KeysController,
    RolloutController,
    ExpiringController,
    ClaimsController,
    DeviceClaimController,
    NewtClaimController,
    AuthorityController,
    EstController,
  ],
  providers: [
    ProfilesService,
    TemplatesService,
    KeysService,
    KeysRepository,
    RolloutService,
    ExpiringService,
    ExpiringRepository,
    RolloutRepository,
    ClaimsService,
    ClaimBatches,
    Reclaims,
    ClaimsRepository,
    ClaimAdministrationService,
    KeyPolicies,
    CredentialIssuer,
    AuthoritiesRepository,
    AuthoritiesService,
    RevocationLists,
    RevocationsRepository,
    CertificateAuthority,
    EstRepository,
    EstService,
    EstRefusals,
    HardwareIdPatterns,
    ProfileBlueprints,
    ProfileBlueprintsRepository,
    KeyRefusals,
    Refusals,
    Replacements,
    ReplacementsRepository,
    UsersRepository,
  ],
  exports: [ClaimAdministrationService, CredentialIssuer, KeysService, ProfileBlueprints, Replacements],
})
export class ProvisioningModule implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly hooks: Hooks,
    private readonly resolvers: TenantResolvers,
    private readonly templates: TemplatesService,
    private readonly keys: KeysRepository,
    private readonly retention: Retention,
    private readonly search: SearchKinds,
    private readonly authorities: AuthoritiesRepository,
    private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.hooks.orgCreated.register((tx, orgId) => this.templates.createDefault(tx, orgId));
    // Lineage is for ever (docs/claims.md rule 12): the claim of a site that exists stays.
    this.retention.register({
      table: 'claim',
      id: 'claim_id',
      unless: 'EXISTS (SELECT FROM site s WHERE s.site_id = r.site_id AND s.claim_id = r.claim_id)',
    });
    this.retention.register({
      table: 'claim_minute',
      expired: `minute < now() - interval '${this.config.retention.days} days'`,
    });
    this.resolveByNumber('profileId', 'provisioning_profile', 'profile_id');
    this.resolveByNumber('templateId', 'provisioning_template', 'template_id');
    this.resolvers.register('caId', async (value) => {
      const authority = await this.authorities.find(this.db.manager, value);
      return authority && { orgId: authority.orgId };
    });
    this.resolvers.register('siteProvisioningKeyId', async (value) => {
      const orgId = await this.keys.orgOf(this.db.manager, value);
      return orgId === undefined ? null : { orgId };
    });
    this.search.register({
      kind: 'provisioningKey',
      action: 'listSiteProvisioningKeys',
      from: 'provisioning_key',
      org: 'org_id',
      id: 'key_id',
      name: 'name',
      note: 'last_chars',
      matches: ['name', 'key_id'],
    });
  }

  private resolveByNumber(parameter: string, table: string, column: string): void {
    this.resolvers.registerNumber(parameter, async (id) => {
      const [row] = await query<{ orgId: string }>(
        this.db.manager,
        `SELECT org_id AS "orgId" FROM ${table} WHERE ${column} = $1`,
        [id],
      );
      return row?.orgId ?? null;
    });
  }
}
