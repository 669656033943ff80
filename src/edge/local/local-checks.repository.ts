import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { AgentHealthCheck } from '#contracts';
import { prepared } from '#platform';
import { DesiredLists } from '../../agents/index.js';

/** A check that the server does itself. */
export type LocalCheck = AgentHealthCheck & { orgId: string; siteId: number };

/** What the server itself checks: on local sites that are in service. */
@Injectable()
export class LocalChecksRepository {
  constructor(private readonly lists: DesiredLists) {}

  /** The local sites of these organizations, unless they are closed. */
  sites(em: EntityManager, orgIds: string[]): Promise<{ siteId: number; orgId: string }[]> {
    return prepared(
      em,
      'local_sites',
      `SELECT s.site_id AS "siteId", s.org_id AS "orgId" FROM site s WHERE s.type = 'local' AND s.org_id = ANY ($1)
         AND NOT EXISTS (SELECT FROM closed_org c WHERE c.org_id = s.org_id)`,
      [orgIds],
    );
  }

  /** Of these organizations, unless they are closed. */
  async of(em: EntityManager, orgIds: string[]): Promise<LocalCheck[]> {
    const sites = await this.sites(em, orgIds);
    const lists = await this.lists.ofSites(
      em,
      sites.map((site) => site.siteId),
    );
    return sites.flatMap(({ siteId, orgId }) =>
      lists.get(siteId)!.healthChecks.map((check) => ({ ...check, orgId, siteId })),
    );
  }
}
