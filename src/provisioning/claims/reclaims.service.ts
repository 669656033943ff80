import { Injectable } from '@nestjs/common';
import { Db, Hooks, isUniqueViolation } from '#platform';
import { PUBLIC_KEY_TAKEN, SiteCredentialsService } from '../../access/index.js';
import { AuditService, EventsService } from '../../audit/index.js';
import { SiteLifecycleService, SiteStatusService } from '../../sites/index.js';
import { ClaimRefused, type ClaimRequest, type ClaimResult, claimant } from './claim.js';
import {
  type ClaimRow,
  ClaimsRepository,
  type KeyPolicy,
  type KnownSite,
  type LookedUpSite,
} from './claims.repository.js';
import { CredentialIssuer } from './credential-issuer.js';
import { credentialPolicy, idsOf, KeyPolicies } from './key-policies.js';
import { KeyQueue } from './key-queue.js';
import { planReclaim } from './reclaim-policy.js';

/** Claims of devices that the organization knows (docs/claims.md rules 4 to 6 and 13): recognised, given a credential again, or contested. */
@Injectable()
export class Reclaims {
  private readonly queue = new KeyQueue();

  constructor(
    private readonly db: Db,
    private readonly repository: ClaimsRepository,
    private readonly policies: KeyPolicies,
    private readonly issuer: CredentialIssuer,
    private readonly credentials: SiteCredentialsService,
    private readonly standings: SiteStatusService,
    private readonly sites: SiteLifecycleService,
    private readonly audit: AuditService,
    private readonly events: EventsService,
    private readonly hooks: Hooks,
  ) {}

  /** Decides on a claim for a site that exists. @returns undefined when the site changed meanwhile. @throws ClaimRefused */
  async decide(
    request: ClaimRequest,
    policy: KeyPolicy,
    generation: number,
    siteId: number,
  ): Promise<ClaimResult | undefined> {
    const site = await this.repository.findSite(this.db.manager, policy.orgId, siteId);
    const key = await this.policies.load(policy.keyId);
    if (!site || !key || !isOf(site, request)) return undefined;
    const plan = planReclaim(site, request, key);
    if (plan.do === 'reissue' || plan.do === 'handOver') {
      return this.issueAgain(request, key, generation, site).catch((error: unknown) => {
        // Another site has just taken the public key: decided again, it is found there.
        if (isUniqueViolation(error, PUBLIC_KEY_TAKEN)) return undefined;
        throw error;
      });
    }
    if (plan.contested) await this.recordContest(request, key, generation, site);
    if (plan.do === 'refuse') throw new ClaimRefused(plan.reason, { ...idsOf(key), generation, siteId });
    // There is no answer of EST without a certificate in it.
    if (request.door === 'est') throw new ClaimRefused('recognised', { ...idsOf(key), generation, siteId });
    await this.repository.recognised(this.db.manager, rowOf(request, key, generation, siteId, 'recognised'));
    return {
      outcome: 'recognised',
      siteId,
      deviceId: site.deviceId,
      ephemeralSeconds: site.ephemeralSeconds,
      newtId: site.newtId,
      credentialType: site.credentialKind ?? (request.door === 'newt' ? 'newt' : key.credentialType),
    };
  }

  /** A fresh credential for a known site; decided again under the locks of key and site, in this order. */
  private async issueAgain(
    request: ClaimRequest,
    key: KeyPolicy,
    generation: number,
    seen: LookedUpSite,
  ): Promise<ClaimResult | undefined> {
    const kind = request.door === 'newt' ? 'newt' : key.credentialType;
    if (kind === 'certificate' && !request.csr) throw new ClaimRefused('csr_missing', { ...idsOf(key), generation });
    const fresh = await this.issuer.make(kind, key.orgUid, seen.deviceId, request.csr, credentialPolicy(key));
    const issued = await this.queue.take(key.keyId, () =>
      this.db.tx(async (tx) => {
        const policy = await this.repository.lockPolicy(tx, key.keyId);
        if (!policy || policy.revoked || policy.disabled)
          throw new ClaimRefused(policy?.disabled ? 'disabled' : 'revoked', { ...idsOf(key), generation });
        // Sent together, run one after the other.
        const [, , site] = await Promise.all([
          this.repository.lockSite(tx, key.orgId, seen.siteId),
          this.credentials.lockWindow(tx, seen.siteId),
          this.repository.findSite(tx, key.orgId, seen.siteId),
        ]);
        if (!site || !isOf(site, request)) return false;
        const plan = planReclaim(site, request, policy);
        if (plan.do !== 'reissue' && plan.do !== 'handOver') return false;
        const { publicKeyHash } = fresh.stored;
        const owners = publicKeyHash ? await this.repository.keyOwners(tx, [publicKeyHash]) : new Map<string, number>();
        for (const owner of owners.values())
          if (owner !== site.siteId)
            throw new ClaimRefused('public_key_taken', { ...idsOf(key), generation, siteId: site.siteId });
        if (plan.do === 'reissue') await this.credentials.countReissue(tx, site.siteId);
        else {
          await this.credentials.revokeOfSite(tx, key.orgId, site.siteId);
          await this.credentials.reopenWindow(tx, site.siteId, request.nonceHash);
          await this.standings.reclaimed(tx, site.siteId);
        }
        await this.credentials.insertMany(tx, [{ ...fresh.stored, siteId: site.siteId, orgId: key.orgId }]);
        await this.repository.insert(tx, [rowOf(request, key, generation, site.siteId, 'reissued')]);
        const principal = claimant(request, site.deviceId);
        await this.hooks.siteReissued.run(
          tx,
          principal,
          key.orgId,
          site.siteId,
          request.bundleKey,
          plan.do === 'handOver',
        );
        await this.audit.record(tx, principal, {
          orgId: key.orgId,
          orgUid: key.orgUid,
          action: 'site.reissue',
          target: { type: 'site', id: site.siteId },
          details: {
            keyId: key.keyId,
            generation,
            door: request.door,
            earlierCredentials: plan.do === 'reissue' ? 'kept' : 'revoked',
          },
        });
        return true;
      }),
    );
    const { siteId, deviceId, ephemeralSeconds } = seen;
    return issued ? { outcome: 'reissued', siteId, deviceId, ephemeralSeconds, credential: fresh.issued } : undefined;
  }

  /** docs/claims.md rule 13: recorded, and told to operators, once an hour per site and address; then the claim gets its ordinary answer. */
  private async recordContest(
    request: ClaimRequest,
    key: KeyPolicy,
    generation: number,
    site: KnownSite,
  ): Promise<void> {
    await this.db.tx(async (tx) => {
      await this.sites.markOdd(tx, [site.siteId], 'contested');
      if (!(await this.repository.firstContest(tx, key.orgUid, site.siteId, request.hardwareId, request.address)))
        return;
      await this.repository.insert(tx, [rowOf(request, key, generation, site.siteId, 'contested')]);
      await this.events.emit(tx, {
        orgId: key.orgId,
        orgUid: key.orgUid,
        type: 'claim.contested',
        siteId: site.siteId,
        data: { deviceId: site.deviceId, hardwareId: request.hardwareId, keyId: key.keyId, address: request.address },
      });
    });
  }
}

/** The row of a claim that was accepted. */
const rowOf = (
  request: ClaimRequest,
  key: KeyPolicy,
  generation: number,
  siteId: number,
  outcome: 'recognised' | 'reissued' | 'contested',
): ClaimRow => ({
  ...idsOf(key),
  generation,
  siteId,
  door: request.door,
  hardwareId: request.hardwareId,
  sentHardwareId: request.sentHardwareId,
  address: request.address,
  outcome,
  reason: null,
});

/** Whether the site is still that of the device: another one may have taken it over since it was found (docs/replacements.md). */
const isOf = (site: KnownSite, { hardwareId, sentHardwareId, nonceHash }: ClaimRequest): boolean =>
  site.hardwareId === null
    ? hardwareId === null && nonceHash !== null
    : site.hardwareId === hardwareId || site.hardwareId === sentHardwareId;
