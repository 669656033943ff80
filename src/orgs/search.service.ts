import { Injectable } from '@nestjs/common';
import { grants } from '#contracts';
import { Db, type Principal, type SearchKind, SearchKinds } from '#platform';
import { ownOrgs } from './org-overview.js';
import type { SearchResult } from './search.dto.js';

const PER_KIND = 20;

/** One search over everything that the caller may list, in all of the caller's organizations. */
@Injectable()
export class SearchService {
  constructor(
    private readonly db: Db,
    private readonly kinds: SearchKinds,
  ) {}

  /** GET /search. */
  async search(principal: Principal, text: string): Promise<SearchResult> {
    const hits: SearchResult['hits'] = [];
    const orgIds = ownOrgs(principal);
    for (const kind of this.kinds.all) {
      const within = orgIds?.filter((orgId) => finds(principal, kind, orgId));
      if (within?.length === 0) continue;
      const rows = await this.kinds.find(this.db.manager, kind, within, text, PER_KIND);
      hits.push(...rows.map((row) => ({ kind: kind.kind, ...row })));
    }
    return { hits };
  }
}

const finds = ({ authority }: Principal, { action, orgKeys }: SearchKind, orgId: string): boolean =>
  !(authority.kind === 'orgKey' && orgKeys === false) &&
  grants(authority, { kind: 'org', action, orgId }) === 'granted';
