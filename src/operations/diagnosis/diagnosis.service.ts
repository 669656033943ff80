import { Injectable } from '@nestjs/common';
import { grants } from '#contracts';
import { Db, notFound, type Principal, VERSION } from '#platform';
import { ServerLease } from '../../cluster/index.js';
import { RawPorts } from '../../resources/index.js';
import type { Diagnosis, DiagnosisCheck } from './diagnosis.dto.js';
import { resourceChecks } from './resource-checks.js';
import { ResourceFactsRepository } from './resource-facts.repository.js';
import { siteChecks } from './site-checks.js';
import { SiteFactsRepository } from './site-facts.repository.js';

/** Why something is not reached: checks in the order of causes, so that the first one that failed is the cause. */
@Injectable()
export class DiagnosisService {
  constructor(
    private readonly db: Db,
    private readonly sites: SiteFactsRepository,
    private readonly resources: ResourceFactsRepository,
    private readonly lease: ServerLease,
    private readonly rawPorts: RawPorts,
  ) {}

  /** What a claim says beyond that it was refused is for who may read claims, as in their list. @throws not_found */
  async ofSite(principal: Principal, orgId: string, siteId: number): Promise<Diagnosis> {
    const facts = await this.sites.of(this.db.manager, orgId, siteId);
    if (!facts) throw notFound('Site');
    if (facts.reclaim && grants(principal.authority, { kind: 'org', action: 'listClaims', orgId }) !== 'granted')
      facts.reclaim = { ...facts.reclaim, reason: null, keyId: null };
    const taking = (await this.lease.sessionsTakenSince()) !== null;
    return diagnosisOf(siteChecks(facts, taking, VERSION));
  }

  /** @throws not_found */
  async ofResource(orgId: string, resourceId: number): Promise<Diagnosis> {
    const facts = await this.resources.of(this.db.manager, orgId, resourceId);
    if (!facts) throw notFound('Resource');
    return diagnosisOf(resourceChecks({ ...facts, portError: this.rawPorts.errorOf(facts, facts.portError) }));
  }
}

const diagnosisOf = (checks: DiagnosisCheck[]): Diagnosis => ({
  cause: checks.find(({ state }) => state === 'failed')?.check ?? null,
  checks,
});
