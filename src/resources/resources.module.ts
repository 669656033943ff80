import { Module } from '@nestjs/common';
import { SearchKinds } from '#platform';
import { AccessTokensModule } from './access-tokens/access-tokens.module.js';
import { ResourceAuthModule } from './auth/auth.module.js';
import { DomainsModule } from './domains/domains.module.js';
import { GrantsModule } from './grants/grants.module.js';
import { OrgDeletion } from './org-deletion.js';
import { PrivateResourcesModule } from './private/private.module.js';
import { PublicResourcesModule } from './public/public.module.js';
import { ReachableModule } from './reachable/reachable.module.js';
import { RoleReplacementService } from './role-replacement.service.js';
import { RulesModule } from './rules/rules.module.js';
import { StagedModule } from './staged/staged.module.js';
import { TargetsModule } from './targets/targets.module.js';
import { WriterModule } from './writer/writer.module.js';

/** What sites expose and to whom; each noun has a folder and a module of its own. */
@Module({
  imports: [
    DomainsModule,
    PublicResourcesModule,
    PrivateResourcesModule,
    ReachableModule,
    ResourceAuthModule,
    GrantsModule,
    TargetsModule,
    RulesModule,
    AccessTokensModule,
    StagedModule,
    WriterModule,
  ],
  providers: [OrgDeletion, RoleReplacementService],
  exports: [PublicResourcesModule, ResourceAuthModule, StagedModule, TargetsModule, WriterModule],
})
export class ResourcesModule {
  constructor(search: SearchKinds) {
    search.register(
      {
        kind: 'publicResource',
        action: 'listResources',
        from: 'resource',
        org: 'org_id',
        id: 'resource_id',
        name: 'name',
        note: 'full_domain',
        matches: ['name', 'nice_id', 'full_domain'],
      },
      {
        kind: 'privateResource',
        action: 'listSiteResources',
        from: 'site_resource',
        org: 'org_id',
        id: 'site_resource_id',
        name: 'name',
        note: 'destination',
        matches: ['name', 'nice_id', 'destination', 'alias'],
      },
    );
  }
}
