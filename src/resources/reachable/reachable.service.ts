import { Injectable } from '@nestjs/common';
import { Db, type PageQuery, type Principal, windowOf } from '#platform';
import type { ReachableResources } from './reachable.dto.js';
import { ReachableRepository } from './reachable.repository.js';

/** What a caller may open (docs/integration-api.md §3.5): a member what is granted to them, an Admin, a server administrator or a key everything. */
@Injectable()
export class ReachableService {
  constructor(
    private readonly db: Db,
    private readonly repository: ReachableRepository,
  ) {}

  async list(principal: Principal, orgId: string, page: PageQuery): Promise<ReachableResources> {
    const em = this.db.manager;
    const window = windowOf(page, 1000);
    const { authority, id } = principal;
    const everything =
      authority.kind !== 'user' || authority.serverAdmin || (await this.repository.isAdmin(em, orgId, id!));
    const userId = everything ? null : id;
    const [resources, siteResources] = await Promise.all([
      this.repository.publicOnes(em, orgId, userId, window),
      this.repository.privateOnes(em, orgId, userId, window),
    ]);
    return { resources, siteResources };
  }
}
