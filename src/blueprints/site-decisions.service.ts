import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Hooks } from '#platform';
import { RolesService } from '../access/index.js';
import { type ResourceType, ResourceWriter, StagedRows } from '../resources/index.js';
import { BlueprintsRepository } from './blueprints.repository.js';
import { DeclarationsRepository } from './declarations.repository.js';

const TYPES: ResourceType[] = ['resource', 'site_resource'];

/** What becomes of the resources of a site's documents when somebody approves, suspends or deletes the site. */
@Injectable()
export class SiteDecisionsService implements OnModuleInit {
  constructor(
    private readonly repository: BlueprintsRepository,
    private readonly declarations: DeclarationsRepository,
    private readonly writer: ResourceWriter,
    private readonly staged: StagedRows,
    private readonly roles: RolesService,
    private readonly hooks: Hooks,
  ) {}

  onModuleInit(): void {
    this.hooks.siteApproved.register((tx, orgId, siteId) => this.activate(tx, orgId, siteId));
    this.hooks.siteSuspended.register((tx, orgId, siteId) => this.suspend(tx, orgId, siteId));
    this.hooks.siteDeleting.register((tx, orgId, siteId) => this.deleteOwned(tx, orgId, siteId));
    this.hooks.onceStagedGone.register((tx, siteIds) => this.repository.forgetOnce(tx, siteIds));
  }

  /** What was staged comes into service, with the grants that waited for the approval. */
  private async activate(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    for (const type of TYPES)
      await this.staged.activate(tx, orgId, type, siteId, await this.declarations.ownedBy(tx, orgId, siteId, type));
    const grants = await this.declarations.takeStagedGrants(tx, siteId);
    if (grants.length === 0) return;
    const roles = await this.roles.ensure(tx, orgId, [...new Set(grants.map((grant) => grant.roleName))]);
    for (const type of TYPES) {
      const pairs = grants.flatMap(({ type: of, id, roleName }) => {
        const roleId = roles.get(roleName);
        return of === type && roleId !== undefined ? [{ id, roleId }] : [];
      });
      await this.writer.addRoles(tx, type, pairs);
    }
  }

  /** What only this site's documents declare is disabled until the site is approved again. */
  private async suspend(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    for (const type of TYPES)
      await this.staged.disable(tx, orgId, type, await this.declarations.ownedBy(tx, orgId, siteId, type));
  }

  /** Resources that only this site's documents declare, and that no other site serves, go with it. */
  private async deleteOwned(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    for (const type of TYPES) {
      const owned = await this.declarations.ownedBy(tx, orgId, siteId, type);
      const alone = await this.declarations.servedAlone(tx, siteId, type, owned);
      await this.writer.delete(tx, orgId, type, alone);
    }
  }
}
