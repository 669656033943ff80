import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AppError, Db, databaseBusy, type Principal, sameBytes, sha256, toAppError, unavailable } from '#platform';
import { SiteCredentialsService } from '../../access/index.js';
import { AuditService, EventsService } from '../../audit/index.js';
import { AddressPoolService } from '../../orgs/index.js';
import { SiteLifecycleService } from '../../sites/index.js';
import { HardwareIdPatterns } from '../hardware-id-patterns.js';
import { parseKey } from '../keys/key-token.js';
import { renderName } from '../name-template.js';
import { ProfileBlueprints } from '../profiles/profile-blueprints.service.js';
import { Batcher } from './batcher.js';
import { ClaimRefused, type ClaimRequest, type ClaimResult, type RefusalReason } from './claim.js';
import { claimsDecided } from './claim-metrics.js';
import { ClaimsRepository, type KeyPolicy, type KnownSite } from './claims.repository.js';
import { CredentialIssuer, type FreshCredential } from './credential-issuer.js';
import { KeyPolicies } from './key-policies.js';
import { KeyQueue } from './key-queue.js';
import { isUsedUp, planReclaim } from './reclaim-policy.js';

/** A claim whose key was right, on its way into a batch. */
interface Candidate {
  orgId: string;
  request: ClaimRequest;
  generation: number;
  secretHash: Buffer;
  /** Made before the transaction, for the case that the claim makes a site. */
  deviceId: string;
  fresh: FreshCredential;
}

type Known = Awaited<ReturnType<ClaimsRepository['known']>>;

type Decision =
  | { do: 'created'; siteId: number; deviceId: string }
  | { do: 'known'; siteId: number }
  /** Lost a race: decide again. */
  | { do: 'again' }
  | { do: 'refuse'; reason: RefusalReason }
  | { do: 'capacity' }
  | { do: 'paused' };

/** A claim that finds the site changed under its hands tries again; more often than this never happens by itself, and is refused. */
const ATTEMPTS = 10;

/** One exchange of a provisioning key for a site's own credential (claims.md). Every door ends here. */
@Injectable()
export class ClaimsService {
  private readonly batches = new Batcher<Candidate, Decision>(
    (keyId, items) => this.decide(keyId, items),
    (error) => unavailable(error) !== undefined,
  );
  private readonly turns = new KeyQueue();

  constructor(
    private readonly db: Db,
    private readonly repository: ClaimsRepository,
    private readonly policies: KeyPolicies,
    private readonly issuer: CredentialIssuer,
    private readonly sites: SiteLifecycleService,
    private readonly credentials: SiteCredentialsService,
    private readonly pool: AddressPoolService,
    private readonly audit: AuditService,
    private readonly events: EventsService,
    private readonly profileBlueprints: ProfileBlueprints,
    private readonly patterns: HardwareIdPatterns,
  ) {}

  /**
   * @throws ClaimRefused with the private reason; AppError `capacity` when the address pool is full (rule 15) and for nothing else,
   * `claims_paused` when an operator stopped the organization's claims, `database_unavailable`, also when too many claims wait for it: whatever
   * key they bring, `database_busy` or `database_full`. Nothing is spent or made in any of these cases.
   */
  async claim(request: ClaimRequest): Promise<ClaimResult> {
    try {
      const result = await this.exchange(request);
      claimsDecided.inc({ outcome: result.outcome, reason: '' });
      return result;
    } catch (thrown) {
      const error = notNow(thrown);
      if (error instanceof ClaimRefused) claimsDecided.inc({ outcome: 'refused', reason: error.reason });
      else claimsDecided.inc({ outcome: 'unavailable', reason: error instanceof AppError ? error.code : 'internal' });
      throw error;
    }
  }

  private async exchange(request: ClaimRequest): Promise<ClaimResult> {
    if (this.batches.isFull)
      throw new AppError('database_unavailable', 'The database does not keep up with the claims at the moment', {
        retryAfter: 5,
      });
    const token = parseKey(request.key);
    if (!token) throw new ClaimRefused('malformed');
    const secretHash = sha256(token.secret);
    const { policy, generation } = await this.admit(token.keyId, secretHash, request);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const deviceId = randomUUID();
      const kind = request.door === 'newt' ? 'newt' : policy.credentialType;
      const fresh = await this.issuer.make(kind, policy.orgUid, deviceId, request.csr);
      const decision = await this.batches.submit(token.keyId, {
        orgId: policy.orgId,
        request,
        generation,
        secretHash,
        deviceId,
        fresh,
      });
      const result = await this.finish(decision, request, policy, generation, fresh);
      if (result) return result;
    }
    throw new ClaimRefused('contended', { ...ids(policy), generation });
  }

  /** The checks that need no lock. What a cached policy refuses is looked up afresh before the refusal counts. */
  private async admit(
    keyId: string,
    secretHash: Buffer,
    request: ClaimRequest,
  ): Promise<{ policy: KeyPolicy; generation: number }> {
    const cached = this.policies.cached(keyId);
    const first = cached && this.inspect(cached, secretHash, request);
    if (first?.generation !== undefined && !first.reason) return { policy: cached!, generation: first.generation };
    const policy = await this.policies.load(keyId);
    if (!policy) throw new ClaimRefused('unknown_key', { keyId });
    const { reason, generation } = this.inspect(policy, secretHash, request);
    if (reason || generation === undefined)
      throw new ClaimRefused(reason ?? 'wrong_secret', { ...ids(policy), generation });
    return { policy, generation };
  }

  /** @returns undefined when the claim must be decided again. */
  private async finish(
    decision: Decision,
    request: ClaimRequest,
    policy: KeyPolicy,
    generation: number,
    fresh: FreshCredential,
  ): Promise<ClaimResult | undefined> {
    switch (decision.do) {
      case 'created':
        if (policy.hasBlueprint) await this.profileBlueprints.ensure(decision.siteId);
        return { outcome: 'created', siteId: decision.siteId, deviceId: decision.deviceId, credential: fresh.issued };
      case 'known': {
        const result = await this.reclaim(request, policy, generation, decision.siteId);
        if (result && policy.hasBlueprint) await this.profileBlueprints.ensure(decision.siteId);
        return result;
      }
      case 'again':
        return undefined;
      case 'refuse':
        throw new ClaimRefused(decision.reason, { ...ids(policy), generation });
      case 'capacity':
        throw new AppError('capacity', 'The address pool of the organization is full', { retryAfter: 60 });
      case 'paused':
        throw new AppError('claims_paused', 'Claims of the organization are paused', { retryAfter: 60 });
    }
  }

  /** One batch of claims on one key, in one transaction: all of it together or nothing (rule 3). */
  private async decide(keyId: string, items: Candidate[]): Promise<Decision[]> {
    return this.db.tx(async (tx) => {
      // Sent together, run one after the other: what is known is looked up once the key is locked.
      const [policy, known] = await Promise.all([this.repository.lockPolicy(tx, keyId), this.known(tx, items)]);
      if (!policy) return items.map(() => ({ do: 'refuse', reason: 'unknown_key' }) satisfies Decision);
      const decisions = new Array<Decision | undefined>(items.length);
      const unsettled = (i: number) => decisions[i] === undefined;
      const indices = items.map((_, i) => i);

      for (const i of indices) {
        const { reason } = this.inspect(policy, items[i]!.secretHash, items[i]!.request);
        if (reason) decisions[i] = { do: 'refuse', reason };
        else if (policy.paused) decisions[i] = { do: 'paused' };
      }
      const twins = this.sortOutKnown(known, items, decisions);

      const fresh = indices.filter((i) => unsettled(i) && !twins.has(i));
      if (policy.expired) for (const i of fresh) decisions[i] = { do: 'refuse', reason: 'expired' };
      const left = policy.maxUses === null ? Infinity : policy.maxUses - policy.uses;
      const taken = policy.expired ? [] : fresh.slice(0, left);
      const lost = taken.length > 0 ? await this.create(tx, policy, items, taken, decisions) : 0;
      // Uses that a lost race gave back, or that found no address, belong to those who came after.
      const rest: Decision =
        lost > 0
          ? { do: 'again' }
          : decisions.some((d) => d?.do === 'capacity')
            ? { do: 'capacity' }
            : { do: 'refuse', reason: 'used_up' };
      for (const i of fresh.filter(unsettled)) decisions[i] = rest;
      for (const [twin, first] of twins) decisions[twin] = follow(decisions[first]!);
      return decisions as Decision[];
    });
  }

  /** Which devices of a batch the organization knows already, and which hardware ids are tombstoned. A key never changes its organization. */
  private async known(tx: EntityManager, items: Candidate[]): Promise<Known> {
    const hardwareIds = items.flatMap(({ request }) => request.hardwareId ?? []);
    const nonces = items.flatMap(({ request }) =>
      request.hardwareId === null && request.nonceHash ? [request.nonceHash] : [],
    );
    return this.repository.known(tx, items[0]!.orgId, hardwareIds, nonces);
  }

  /** Settles the claims whose hardware id or nonce is tombstoned or known. @returns those of a device that stands earlier in the batch, with that one. */
  private sortOutKnown(
    { sites, tombstoned }: Known,
    items: Candidate[],
    decisions: (Decision | undefined)[],
  ): Map<number, number> {
    const open = items.flatMap((item, i) => (decisions[i] === undefined ? [{ item, i }] : []));
    const byAnchor = new Map(
      sites.map((s) => [s.hardwareId !== null ? anchor(s.hardwareId, null) : anchor(null, s.nonceHash), s]),
    );
    const firsts = new Map<string, number>();
    const twins = new Map<number, number>();
    for (const { item, i } of open) {
      const key = anchor(item.request.hardwareId, item.request.nonceHash);
      if (key === null) continue;
      const site = byAnchor.get(key);
      if (item.request.hardwareId !== null && tombstoned.has(item.request.hardwareId))
        decisions[i] = { do: 'refuse', reason: 'tombstoned' };
      else if (site) decisions[i] = { do: 'known', siteId: site.siteId };
      else if (firsts.has(key)) twins.set(i, firsts.get(key)!);
      else firsts.set(key, i);
    }
    return twins;
  }

  /** Makes the sites of `taken` with all that belongs to them. @returns how many lost a race for their hardware id. */
  private async create(
    tx: EntityManager,
    policy: KeyPolicy,
    items: Candidate[],
    taken: number[],
    decisions: (Decision | undefined)[],
  ): Promise<number> {
    const { orgId, orgUid, keyId, templateId } = policy;
    const [addresses, claimIds] = await Promise.all([
      this.pool.allocate(tx, orgId, taken.length),
      this.repository.drawClaimIds(tx, taken.length),
    ]);
    for (const i of taken.slice(addresses.length)) decisions[i] = { do: 'capacity' };
    if (addresses.length < taken.length && (await this.repository.markPoolExhausted(tx, orgId))) {
      await this.events.emit(tx, { orgId, orgUid, type: 'pool.exhausted', data: { keyId } });
    }
    // By hardware id, so that two processes inserting the same ids cannot wait for each other in a circle.
    const rows = taken
      .slice(0, addresses.length)
      .sort((a, b) => compare(items[a]!.request.hardwareId, items[b]!.request.hardwareId));
    if (rows.length === 0) return 0;
    const created = await this.sites.insertMany(
      tx,
      orgId,
      rows.map((i, n) => {
        const { request, deviceId, generation } = items[i]!;
        return {
          deviceId,
          name: request.name ?? siteName(policy, request, deviceId),
          status: policy.approve ? ('approved' as const) : ('pending' as const),
          type: 'newt' as const,
          hardwareId: request.hardwareId,
          nonceHash: request.nonceHash,
          address: addresses[n]!,
          labels: policy.labels,
          config: policy.config,
          attributes: policy.attributes,
          keyId,
          keyGeneration: generation,
          templateId,
          claimId: claimIds[n]!,
        };
      }),
    );
    const made = created.flatMap((site, n) => (site ? [{ site, n, item: items[rows[n]!]! }] : []));
    created.forEach((site, n) => {
      decisions[rows[n]!] = site ? { do: 'created', siteId: site.siteId, deviceId: site.deviceId } : { do: 'again' };
    });
    const lost = rows.length - made.length;
    if (lost > 0)
      await this.pool.release(
        tx,
        orgId,
        created.flatMap((site, n) => (site ? [] : [addresses[n]!])),
      );
    if (made.length === 0) return lost;

    const uses = new Map<number, number>();
    for (const { item } of made) uses.set(item.generation, (uses.get(item.generation) ?? 0) + 1);
    await this.db.commitWith(tx, [
      this.credentials.insertMany(
        tx,
        made.map(({ site, item }) => ({ ...item.fresh.stored, siteId: site.siteId, orgId })),
      ),
      this.sites.addToGroups(
        tx,
        made.flatMap(({ site }) => policy.groupIds.map((groupId) => ({ siteId: site.siteId, groupId }))),
      ),
      this.repository.insertCreated(
        tx,
        made.map(({ site, n, item: { request, generation } }) => ({
          claimId: claimIds[n]!,
          orgId,
          orgUid,
          keyId,
          generation,
          templateId,
          siteId: site.siteId,
          door: request.door,
          hardwareId: request.hardwareId,
          address: request.address,
          outcome: 'created',
          reason: null,
        })),
      ),
      ...(policy.hasBlueprint
        ? [
            this.profileBlueprints.owe(
              tx,
              made.map(({ site }) => site.siteId),
            ),
          ]
        : []),
      this.repository.spend(
        tx,
        keyId,
        made.length,
        [...uses].map(([generation, n]) => ({ generation, uses: n })),
        made.at(-1)!.item.request.address,
      ),
      this.audit.recordMany(
        tx,
        made.map(({ site, item }) => ({
          principal: claimant(item.request, site.deviceId),
          orgId,
          orgUid,
          action: 'site.claim',
          target: { type: 'site', id: site.siteId },
          details: { keyId, generation: item.generation, door: item.request.door },
        })),
      ),
      this.events.emit(
        tx,
        ...made.map(({ site, item }) => ({
          orgId,
          orgUid,
          type: 'device.provisioned' as const,
          siteId: site.siteId,
          data: {
            deviceId: site.deviceId,
            niceId: site.niceId,
            name: site.name,
            hardwareId: item.request.hardwareId,
            keyId,
            status: policy.approve ? 'approved' : 'pending',
          },
        })),
        ...(policy.maxUses !== null && policy.uses + made.length === policy.maxUses
          ? [{ orgId, orgUid, type: 'key.exhausted' as const, data: { keyId, uses: policy.maxUses } }]
          : []),
      ),
    ]);
    return lost;
  }

  /** Answers a claim for a site that exists. @returns undefined when the site changed meanwhile. */
  private async reclaim(
    request: ClaimRequest,
    policy: KeyPolicy,
    generation: number,
    siteId: number,
  ): Promise<ClaimResult | undefined> {
    const site = await this.repository.findSite(this.db.manager, policy.orgId, siteId);
    const key = await this.policies.load(policy.keyId);
    if (!site || !key) return undefined;
    const plan = planReclaim(site, request, key);
    if (plan.do === 'reissue' || plan.do === 'handOver') return this.issueAgain(request, key, generation, site);
    if (plan.contested) await this.recordContest(request, key, generation, site);
    if (plan.do === 'refuse') throw new ClaimRefused(plan.reason, { ...ids(key), generation, siteId });
    await this.repository.recognised(this.db.manager, site.claimId);
    return {
      outcome: 'recognised',
      siteId,
      deviceId: site.deviceId,
      newtId: site.newtId,
      credentialType: site.credentialKind ?? (request.door === 'newt' ? 'newt' : key.credentialType),
    };
  }

  /** A fresh credential for a known site; decided again under the locks of key and site, in this order. */
  private async issueAgain(
    request: ClaimRequest,
    key: KeyPolicy,
    generation: number,
    seen: KnownSite,
  ): Promise<ClaimResult | undefined> {
    const kind = request.door === 'newt' ? 'newt' : key.credentialType;
    if (kind === 'certificate' && !request.csr) throw new ClaimRefused('csr_missing', { ...ids(key), generation });
    const fresh = await this.issuer.make(kind, key.orgUid, seen.deviceId, request.csr);
    const issued = await this.turns.take(key.keyId, () =>
      this.db.tx(async (tx) => {
        const policy = await this.repository.lockPolicy(tx, key.keyId);
        if (!policy || policy.revoked || policy.disabled)
          throw new ClaimRefused(policy?.disabled ? 'disabled' : 'revoked', { ...ids(key), generation });
        const site = await this.repository.lockSite(tx, key.orgId, seen.siteId);
        if (!site) return false;
        const plan = planReclaim(site, request, policy);
        if (plan.do !== 'reissue' && plan.do !== 'handOver') return false;
        if (plan.do === 'reissue') await this.repository.countReissue(tx, site.siteId);
        else {
          await this.credentials.revokeOfSite(tx, key.orgId, site.siteId);
          await this.repository.handOver(tx, site.siteId, request.nonceHash);
        }
        await this.credentials.insertMany(tx, [{ ...fresh.stored, siteId: site.siteId, orgId: key.orgId }]);
        await this.repository.insert(tx, [
          {
            orgId: key.orgId,
            orgUid: key.orgUid,
            keyId: key.keyId,
            generation,
            templateId: key.templateId,
            siteId: site.siteId,
            door: request.door,
            hardwareId: request.hardwareId,
            address: request.address,
            outcome: 'reissued',
            reason: null,
          },
        ]);
        await this.audit.record(tx, claimant(request, site.deviceId), {
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
    return issued
      ? { outcome: 'reissued', siteId: seen.siteId, deviceId: seen.deviceId, credential: fresh.issued }
      : undefined;
  }

  /** Rule 13: recorded, and told to operators, once an hour per site and address; then the claim gets its ordinary answer. */
  private async recordContest(
    request: ClaimRequest,
    key: KeyPolicy,
    generation: number,
    site: KnownSite,
  ): Promise<void> {
    await this.db.tx(async (tx) => {
      if (!(await this.repository.firstContest(tx, key.orgUid, site.siteId, request.hardwareId, request.address)))
        return;
      await this.repository.insert(tx, [
        {
          orgId: key.orgId,
          orgUid: key.orgUid,
          keyId: key.keyId,
          generation,
          templateId: key.templateId,
          siteId: site.siteId,
          door: request.door,
          hardwareId: request.hardwareId,
          address: request.address,
          outcome: 'contested',
          reason: null,
        },
      ]);
      await this.events.emit(tx, {
        orgId: key.orgId,
        orgUid: key.orgUid,
        type: 'claim.contested',
        siteId: site.siteId,
        data: { deviceId: site.deviceId, hardwareId: request.hardwareId, keyId: key.keyId, address: request.address },
      });
    });
  }

  /** The checks on key, generation, door, pattern and CSR, in this order; expiry and uses depend on whether the site is known. */
  private inspect(
    policy: KeyPolicy,
    secretHash: Buffer,
    request: ClaimRequest,
  ): { reason?: RefusalReason; generation?: number } {
    const match = policy.generations.find((g) => sameBytes(g.secretHash, secretHash));
    if (!match) return { reason: 'wrong_secret' };
    const { generation } = match;
    if (match.retired) return { reason: 'retired_generation', generation };
    if (policy.revoked) return { reason: 'revoked', generation };
    if (policy.disabled) return { reason: 'disabled', generation };
    if (request.door === 'newt' && !policy.newtDoor) return { reason: 'door_closed', generation };
    if (
      policy.pattern !== null &&
      (request.hardwareId === null || !this.patterns.matches(policy.pattern, request.hardwareId))
    )
      return { reason: 'pattern', generation };
    if (request.door === 'device' && policy.credentialType === 'certificate' && !request.csr)
      return { reason: 'csr_missing', generation };
    // Without an anchor there is nothing to recognise: a spent key has no other answer.
    if (anchor(request.hardwareId, request.nonceHash) === null) {
      if (policy.expired) return { reason: 'expired', generation };
      if (isUsedUp(policy)) return { reason: 'used_up', generation };
    }
    return { generation };
  }
}

/**
 * A claim door answers a refusal, or 503: what was changed or deleted under a claim (404 and 409 elsewhere) is decided anew when the machine
 * asks again.
 */
function notNow(error: unknown): unknown {
  if (error instanceof ClaimRefused) return error;
  const known = toAppError(error);
  if (known.code === 'not_found' || known.code === 'conflict') return databaseBusy();
  return known.code === 'internal' ? error : known;
}

const ids = (p: KeyPolicy) => ({ orgId: p.orgId, orgUid: p.orgUid, keyId: p.keyId, templateId: p.templateId });

/** What becomes of a claim when another of the same device was decided just before it: it finds the other's site, or shares its fate. */
const follow = (first: Decision): Decision => (first.do === 'created' ? { do: 'known', siteId: first.siteId } : first);

/** What makes two claims the same device: the hardware id, or the nonce where there is none. */
function anchor(hardwareId: string | null, nonceHash: Buffer | null): string | null {
  if (hardwareId !== null) return `h:${hardwareId}`;
  return nonceHash ? `n:${nonceHash.toString('hex')}` : null;
}

const compare = (a: string | null, b: string | null) => (a === b ? 0 : (a ?? '') < (b ?? '') ? -1 : 1);

function siteName(policy: KeyPolicy, request: ClaimRequest, deviceId: string): string | null {
  if (policy.nameTemplate === null) return null;
  return renderName(policy.nameTemplate, {
    hardwareId: request.hardwareId ?? undefined,
    deviceId,
    keyName: policy.keyName,
  });
}

/** The audit's actor of a claim: a machine that has no account yet. */
const claimant = (request: ClaimRequest, deviceId: string): Principal => ({
  authority: { kind: 'provisioningKey' },
  kind: 'agent',
  id: request.hardwareId ?? deviceId,
  name: request.name ?? deviceId,
  address: request.address,
});
