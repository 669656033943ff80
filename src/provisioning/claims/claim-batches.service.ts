import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Db, Hooks, isUniqueViolation, networkOf, unavailable } from '#platform';
import { NONCE_TAKEN, PUBLIC_KEY_TAKEN, SiteCredentialsService } from '../../access/index.js';
import { AuditService, EventsService } from '../../audit/index.js';
import { AddressPoolService } from '../../orgs/index.js';
import { SiteLifecycleService } from '../../sites/index.js';
import { inForm } from '../hardware-id-form.js';
import { ProfileBlueprints } from '../profiles/profile-blueprints.service.js';
import { ReplacementsRepository } from '../replacements/replacements.repository.js';
import { Batcher } from './batcher.js';
import { anchor, type ClaimRequest, claimant, type RefusalReason } from './claim.js';
import { namesOf, siteName } from './claim-names.js';
import { odditiesOf, type SeenBefore } from './claim-oddities.js';
import { ClaimsRepository, type KeyPolicy } from './claims.repository.js';
import type { FreshCredential } from './credential-issuer.js';
import { KeyPolicies } from './key-policies.js';

/** A claim whose key was right, on its way into a batch. */
export interface Candidate {
  orgId: string;
  request: ClaimRequest;
  generation: number;
  secretHash: Buffer;
  /** Made before the transaction, for the case that the claim makes a site. */
  deviceId: string;
  fresh: FreshCredential;
}

type Known = Awaited<ReturnType<ClaimsRepository['known']>> & { replacing: Map<string, number> };

export type Decision =
  | { do: 'created'; siteId: number; deviceId: string; ephemeralSeconds: number | null }
  | { do: 'known'; siteId: number }
  /** Its device is to take over that site (docs/replacements.md). */
  | { do: 'replace'; siteId: number; deviceId: string }
  /** Lost a race: decide again. */
  | { do: 'again' }
  | { do: 'refuse'; reason: RefusalReason }
  | { do: 'capacity' }
  | { do: 'paused' };

/**
 * Claims on one key share transactions (ADR 0002): a batch is decided as a whole, the key's row locked, and what it makes is written with one
 * statement per table.
 */
@Injectable()
export class ClaimBatches {
  private readonly batches = new Batcher<Candidate, Decision>(
    (keyId, items, ending) => this.decide(keyId, items, ending),
    (error) => unavailable(error) !== undefined,
  );

  constructor(
    private readonly db: Db,
    private readonly repository: ClaimsRepository,
    private readonly policies: KeyPolicies,
    private readonly sites: SiteLifecycleService,
    private readonly credentials: SiteCredentialsService,
    private readonly pool: AddressPoolService,
    private readonly audit: AuditService,
    private readonly events: EventsService,
    private readonly profileBlueprints: ProfileBlueprints,
    private readonly hooks: Hooks,
    private readonly replacements: ReplacementsRepository,
  ) {}

  /** Nothing more should be let in: for whoever asks before anything is known of a claim, so that the answer tells nothing of it. */
  get isFull(): boolean {
    return this.batches.isFull;
  }

  /** Decides on a claim together with those of its key that wait. @throws what the transaction threw; nothing is spent or made then */
  submit(keyId: string, candidate: Candidate): Promise<Decision> {
    return this.batches.submit(keyId, candidate);
  }

  /** One batch of claims on one key, in one transaction: all of it together or nothing (docs/claims.md rule 3). */
  private async decide(keyId: string, items: Candidate[], ending: () => void): Promise<Decision[]> {
    try {
      return await this.db.tx((tx) => this.decideIn(tx, keyId, items, ending));
    } catch (error) {
      // A claim by another key has just taken the nonce, or the public key, of one of these.
      if (isUniqueViolation(error, NONCE_TAKEN) || isUniqueViolation(error, PUBLIC_KEY_TAKEN))
        return items.map(() => ({ do: 'again' }) satisfies Decision);
      throw error;
    }
  }

  private async decideIn(
    tx: EntityManager,
    keyId: string,
    items: Candidate[],
    ending: () => void,
  ): Promise<Decision[]> {
    // Sent together, run one after the other: what is known is looked up once the key is locked.
    const [policy, known, owners, networks, claimIds] = await Promise.all([
      this.repository.lockPolicy(tx, keyId),
      this.known(tx, items),
      this.repository.keyOwners(
        tx,
        items.flatMap(({ fresh }) => fresh.stored.publicKeyHash ?? []),
      ),
      this.repository.keyNetworks(tx, keyId, networksOf(items)),
      this.repository.drawClaimIds(tx, items.length),
    ]);
    if (!policy) return items.map(() => ({ do: 'refuse', reason: 'unknown_key' }) satisfies Decision);
    const decisions = new Array<Decision | undefined>(items.length);
    const unsettled = (i: number) => decisions[i] === undefined;
    const indices = items.map((_, i) => i);

    for (const i of indices) {
      const { reason } = this.policies.inspect(policy, items[i]!.secretHash, items[i]!.request);
      if (reason) decisions[i] = { do: 'refuse', reason };
      else if (policy.paused) decisions[i] = { do: 'paused' };
    }
    const twins = this.sortOutKnown(known, items, decisions);
    this.sortOutKeys(owners, items, decisions, twins);

    const fresh = indices.filter((i) => unsettled(i) && !twins.has(i));
    if (policy.expired) for (const i of fresh) decisions[i] = { do: 'refuse', reason: 'expired' };
    const left = policy.maxUses === null ? Infinity : policy.maxUses - policy.uses;
    const taken = policy.expired ? [] : fresh.slice(0, left);
    const seen = { blockedBefore: known.blockedBefore, networks, used: policy.uses > 0 };
    const lost = taken.length > 0 ? await this.create(tx, policy, items, taken, claimIds, seen, decisions, ending) : 0;
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
  }

  /** Which devices of a batch the organization knows already, and which hardware ids are tombstoned. A key never changes its organization. */
  private async known(tx: EntityManager, items: Candidate[]): Promise<Known> {
    const hardwareIds = items.flatMap(({ request }) => namesOf(request));
    const nonces = items.flatMap(({ request }) =>
      request.hardwareId === null && request.nonceHash ? [request.nonceHash] : [],
    );
    const { orgId } = items[0]!;
    const [known, waiting] = await Promise.all([
      this.repository.known(tx, orgId, hardwareIds, nonces),
      this.replacements.waiting(tx, orgId, [...new Set(items.flatMap(({ request }) => normalOf(request) ?? []))]),
    ]);
    return { ...known, replacing: new Map(waiting.map(({ hardwareId, siteId }) => [hardwareId, siteId])) };
  }

  /** Settles the claims whose hardware id or nonce is tombstoned or known. @returns those of a device that stands earlier in the batch, with that one. */
  private sortOutKnown(
    { sites, tombstoned, replacing }: Known,
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
      const site = byAnchor.get(key) ?? byAnchor.get(anchor(item.request.sentHardwareId, null));
      if (namesOf(item.request).some((id) => tombstoned.has(id))) decisions[i] = { do: 'refuse', reason: 'tombstoned' };
      else if (site) decisions[i] = { do: 'known', siteId: site.siteId };
      else if (replacing.has(normalOf(item.request) ?? ''))
        decisions[i] = { do: 'replace', siteId: replacing.get(normalOf(item.request)!)!, deviceId: item.deviceId };
      else if (firsts.has(key)) twins.set(i, firsts.get(key)!);
      else firsts.set(key, i);
    }
    return twins;
  }

  /** A public key belongs to one site (docs/claims.md rule 37): of a device that is not known it must be nobody's, and that of one device of the batch. */
  private sortOutKeys(
    owners: Map<string, number>,
    items: Candidate[],
    decisions: (Decision | undefined)[],
    twins: Map<number, number>,
  ): void {
    const taken = new Set<string>();
    items.forEach(({ fresh }, i) => {
      const key = fresh.stored.publicKeyHash?.toString('hex');
      if (key === undefined || decisions[i] !== undefined || twins.has(i)) return;
      if (owners.has(key)) decisions[i] = { do: 'refuse', reason: 'public_key_taken' };
      else if (taken.has(key)) decisions[i] = { do: 'again' };
      taken.add(key);
    });
  }

  /** Makes the sites of `taken` with all that belongs to them. @returns how many lost a race for their hardware id. */
  private async create(
    tx: EntityManager,
    policy: KeyPolicy,
    items: Candidate[],
    taken: number[],
    claimIds: number[],
    seen: SeenBefore,
    decisions: (Decision | undefined)[],
    ending: () => void,
  ): Promise<number> {
    const { orgId, orgUid, keyId, templateId, profileId } = policy;
    const addresses = await this.pool.allocate(tx, orgId, taken.length);
    for (const i of taken.slice(addresses.length)) decisions[i] = { do: 'capacity' };
    if (addresses.length < taken.length && (await this.pool.markExhausted(tx, orgId))) {
      await this.events.emit(tx, { orgId, orgUid, type: 'pool.exhausted', data: { keyId } });
    }
    // By hardware id, so that two processes inserting the same ids cannot wait for each other in a circle.
    const rows = taken
      .slice(0, addresses.length)
      .sort((a, b) => compare(items[a]!.request.hardwareId, items[b]!.request.hardwareId));
    if (rows.length === 0) return 0;
    const names = rows.map((i) => items[i]!.request.name ?? siteName(policy, items[i]!.request, items[i]!.deviceId));
    const odd = odditiesOf(
      rows.map((i, n) => ({
        name: names[n]!,
        devices: namesOf(items[i]!.request),
        address: items[i]!.request.address,
      })),
      seen,
    );
    const created = await this.sites.insertMany(
      tx,
      orgId,
      rows.map((i, n) => {
        const { request, deviceId, generation } = items[i]!;
        return {
          deviceId,
          name: names[n]!,
          status: policy.approve ? ('approved' as const) : ('pending' as const),
          type: 'newt' as const,
          hardwareId: request.hardwareId,
          address: addresses[n]!,
          labels: policy.labels,
          config: policy.config,
          attributes: policy.attributes,
          keyId,
          keyGeneration: generation,
          templateId,
          profileId,
          claimId: claimIds[n]!,
          claimedFrom: request.address,
          oddities: odd[n]!,
          ephemeralSeconds: request.ephemeral ? policy.ephemeralSeconds : null,
        };
      }),
    );
    const made = created.flatMap((site, n) => (site ? [{ site, n, item: items[rows[n]!]! }] : []));
    created.forEach((site, n) => {
      const { ephemeral } = items[rows[n]!]!.request;
      decisions[rows[n]!] = site
        ? {
            do: 'created',
            siteId: site.siteId,
            deviceId: site.deviceId,
            ephemeralSeconds: ephemeral ? policy.ephemeralSeconds : null,
          }
        : { do: 'again' };
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
    const newNetworks = networksOf(made.map(({ item }) => item)).filter((network) => !seen.networks.has(network));
    const keys = made.flatMap(({ site, item: { request } }) =>
      request.bundleKey ? [{ siteId: site.siteId, ...request.bundleKey }] : [],
    );
    await this.db.commitWith(
      tx,
      [
        this.credentials.insertMany(
          tx,
          made.map(({ site, item: { fresh, request } }) => ({
            ...fresh.stored,
            siteId: site.siteId,
            orgId,
            nonceHash: request.nonceHash,
            byNonce: request.hardwareId === null && request.nonceHash !== null,
          })),
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
            sentHardwareId: request.sentHardwareId,
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
        ...(newNetworks.length > 0 ? [this.repository.insertKeyNetworks(tx, keyId, newNetworks)] : []),
        ...(keys.length > 0 ? [this.hooks.bundleKeysClaimed.run(tx, orgId, keys)] : []),
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
            target: { type: 'site', id: site.siteId, name: site.name },
            details: {
              keyId,
              generation: item.generation,
              door: item.request.door,
              ...(item.request.bundleKey ? { bundleKey: item.request.bundleKey.jkt } : {}),
            },
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
              // What a site begins with; to ask for it would be a round trip of each batch.
              state: policy.approve ? 'never_connected' : 'pending',
            },
          })),
          ...(policy.maxUses !== null && policy.uses + made.length === policy.maxUses
            ? [{ orgId, orgUid, type: 'key.exhausted' as const, data: { keyId, uses: policy.maxUses } }]
            : []),
        ),
      ],
      ending,
    );
    return lost;
  }
}

/** What becomes of a claim when another of the same device was decided just before it: it finds the other's site, or shares its fate. */
const follow = (first: Decision): Decision => (first.do === 'created' ? { do: 'known', siteId: first.siteId } : first);

const networksOf = (items: Candidate[]) => [...new Set(items.map(({ request }) => networkOf(request.address)))];

/** How replacements name a device; null: they do not. */
const normalOf = ({ hardwareId }: ClaimRequest) => hardwareId && inForm('mac', hardwareId);

const compare = (a: string | null, b: string | null) => (a === b ? 0 : (a ?? '') < (b ?? '') ? -1 : 1);
