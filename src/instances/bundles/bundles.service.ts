import { isDeepStrictEqual } from 'node:util';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Hooks } from '#platform';
import { SiteLifecycleService } from '../../sites/index.js';
import { SecretChanges } from '../secrets/secret-changes.js';
import { type BundleInputs, secretVersionsOf } from './bundle-inputs.js';
import { BundlesRepository, type LockedBundle, type NewOffer, type SiteFacts } from './bundles.repository.js';
import { InputsService } from './inputs.service.js';

/** Sites of one statement. */
const BATCH = 500;

/** Which version of its bundle each site is to have (docs/instances.md §4). */
@Injectable()
export class BundlesService implements OnModuleInit {
  constructor(
    private readonly repository: BundlesRepository,
    private readonly inputs: InputsService,
    private readonly sites: SiteLifecycleService,
    private readonly secrets: SecretChanges,
    private readonly hooks: Hooks,
  ) {}

  onModuleInit(): void {
    this.secrets.profilesChanged.register(async (tx, orgId, siteIds) => {
      await this.offer(tx, orgId, siteIds, same, null);
    });
    this.hooks.siteRevoking.register((tx, orgId, siteId) => this.repository.withdraw(tx, orgId, siteId));
    this.hooks.sitesChanged.register(async (tx, orgId, siteIds) => {
      // The writer has told the agents already.
      const stale = await this.repository.stale(tx, orgId, siteIds);
      for (const some of batches(stale)) await this.renew(tx, orgId, some, { change: same });
    });
  }

  /**
   * Offers sites the bundle that `change` makes of what they are offered now, or, of a site that has none, of what is settled. What the changed
   * inputs name is filled in: settled versions of secrets that were not among them, fields and labels of the site. Connected agents hear of it
   * within a second. The sites stay locked, in the order of their ids.
   * @param rolloutId whose offer it is; null: where revision and secrets stay what they are, that of the one before
   * @returns how many got a new version: those whose inputs differ now
   */
  async offer(
    tx: EntityManager,
    orgId: string,
    siteIds: number[],
    change: (inputs: BundleInputs) => BundleInputs,
    rolloutId: number | null,
  ): Promise<number> {
    let offered = 0;
    for (const some of batches(siteIds)) {
      const changed = await this.renew(tx, orgId, some, { change, rolloutId });
      await this.sites.bumpDesired(tx, orgId, changed);
      offered += changed.length;
    }
    return offered;
  }

  /** @returns by site, what a bundle would be made from now: the settled revision of its profile, and settled versions of the secrets that it names. */
  async freshInputs(em: EntityManager, orgId: string, siteIds: number[]): Promise<Map<number, BundleInputs>> {
    const facts = await this.repository.facts(em, orgId, siteIds);
    const inputs = await this.inputs.complete(
      em,
      orgId,
      facts.map((site) => ({ site, inputs: settled(site) })),
    );
    return new Map(facts.map(({ siteId }, i) => [siteId, inputs[i]!]));
  }

  /** Offers one site what it is to have if that is not what it is offered; for the site's own request, so that nobody is told. */
  async refresh(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    await this.renew(tx, orgId, [siteId], { change: same });
  }

  /**
   * Offers the site its bundle once more, as a new version; one that came back from a rollout's version gets what is settled.
   * Its connected agent hears of it.
   */
  async resend(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    const changed = await this.renew(tx, orgId, [siteId], {
      change: (inputs, row) => (row.returned ? settled(row) : inputs),
      anew: true,
    });
    await this.sites.bumpDesired(tx, orgId, changed);
  }

  /**
   * The version offered to the site has failed, and is a rollout's: it gets back what it applied before, as a new version. The row keeps
   * state, reason and rollout of the one that failed. Nothing happens where nothing was applied, or where that was no other contents.
   */
  async takeBack(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    const changed = await this.renew(tx, orgId, [siteId], {
      change: (inputs, row) => {
        const before = row.rolloutId !== null && row.state === 'failed' ? row.appliedInputs : null;
        return before?.profileId === inputs.profileId
          ? { ...inputs, revision: before.revision, secrets: before.secrets }
          : inputs;
      },
      returns: true,
    });
    await this.sites.bumpDesired(tx, orgId, changed);
  }

  /**
   * After versions of secrets were destroyed although the site's bundle holds them: it gets those that are settled instead.
   * @returns whether it has a new version
   */
  async mend(tx: EntityManager, orgId: string, siteId: number): Promise<boolean> {
    const destroyed = await this.repository.destroyedSecrets(tx, orgId, siteId);
    const change = (inputs: BundleInputs): BundleInputs => ({
      ...inputs,
      secrets: Object.fromEntries(
        Object.entries(inputs.secrets).filter(([, { secretVersionId }]) => !destroyed.has(secretVersionId)),
      ),
    });
    return (await this.renew(tx, orgId, [siteId], { change })).length > 0;
  }

  /** @returns the sites that got a new version */
  private async renew(tx: EntityManager, orgId: string, siteIds: number[], how: Renewal): Promise<number[]> {
    const rows = await this.repository.lock(tx, orgId, siteIds);
    const inputs = await this.inputs.complete(
      tx,
      orgId,
      rows.map((row) => {
        const own = row.inputs?.profileId === row.profileId ? row.inputs! : settled(row);
        return { site: row, inputs: how.change(own, row) };
      }),
    );
    const offers = rows.flatMap((row, i): NewOffer[] => {
      const isNew = how.anew || row.past || !isDeepStrictEqual(row.inputs, inputs[i]);
      return isNew ? [offerOf(row, inputs[i]!, how)] : [];
    });
    if (offers.length > 0) await this.repository.write(tx, orgId, offers);
    return offers.map(({ siteId }) => siteId);
  }
}

interface Renewal {
  change: (inputs: BundleInputs, row: LockedBundle) => BundleInputs;
  rolloutId?: number | null;
  /** A new version for equal inputs too. */
  anew?: true;
  /** The new version is the way back from one that failed. */
  returns?: true;
}

const same = (inputs: BundleInputs) => inputs;

/** Nothing but the settled revision: the rest is filled in. */
const settled = ({ profileId, settledRevision }: SiteFacts): BundleInputs => ({
  profileId,
  // 0: no revision of it is settled yet.
  revision: settledRevision || null,
  secrets: {},
  site: {},
  labels: {},
});

/** A change of what the site is called or labelled leaves it in its rollout, and a way back a way back. */
function offerOf(row: LockedBundle, inputs: BundleInputs, { rolloutId, returns }: Renewal): NewOffer {
  const { siteId } = row;
  const base = { siteId, inputs, secrets: secretVersionsOf(inputs) };
  const isKept =
    row.inputs?.profileId === inputs.profileId &&
    row.inputs.revision === inputs.revision &&
    isDeepStrictEqual(row.inputs.secrets, inputs.secrets);
  const isWayBack = returns ?? (isKept && row.returned === true);
  return {
    ...base,
    rolloutId: rolloutId ?? (returns || isKept ? row.rolloutId : null),
    returned: isWayBack,
    state: isWayBack ? 'failed' : 'offered',
    reason: isWayBack ? row.reason : null,
  };
}

/** In the order of ids, each once. */
function* batches(siteIds: number[]): Generator<number[]> {
  const sorted = [...new Set(siteIds)].sort((a, b) => a - b);
  for (let at = 0; at < sorted.length; at += BATCH) yield sorted.slice(at, at + BATCH);
}
