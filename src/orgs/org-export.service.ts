import { Injectable, type StreamableFile } from '@nestjs/common';
import { grants } from '#contracts';
import { AppError, Db, notFound, OrgExports, orgUidOf, type Principal } from '#platform';
import { OrgsRepository } from './orgs.repository.js';
import { view } from './orgs.service.js';

/** All of an organization as one file (docs/integration-api.md §1.12): what somebody keeps before it is deleted. */
@Injectable()
export class OrgExportService {
  constructor(
    private readonly db: Db,
    private readonly repository: OrgsRepository,
    private readonly whole: OrgExports,
  ) {}

  /** GET /org/{orgId}/export. @throws permission_denied for who may not read all lists of it; not_found, rate_limited */
  async start(principal: Principal, orgId: string): Promise<StreamableFile> {
    const lacking = this.whole.actions.filter(
      (action) => grants(principal.authority, { kind: 'org', action, orgId }) !== 'granted',
    );
    if (lacking.length > 0)
      throw new AppError('permission_denied', `An export of everything needs these actions too: ${lacking.join(', ')}`);
    const org = await this.repository.find(this.db.manager, orgId);
    if (!org) throw notFound('Organization');
    return this.whole.start({ orgId, orgUid: await orgUidOf(this.db.manager, principal, orgId) }, view(org));
  }
}
