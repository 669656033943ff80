import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Hooks, type Principal, type SiteBundleKey } from '#platform';
import { AuditService, EventsService } from '../../audit/index.js';
import { SiteLifecycleService } from '../../sites/index.js';
import { BundleKeysRepository, type KeyOfSite } from './bundle-keys.repository.js';

/** Thumbprints; null: none. */
interface Change {
  principal: Principal;
  orgId: string;
  siteId: number;
  from: string | null;
  to: string | null;
}

/**
 * The public keys that bundles are sealed for (docs/instances.md §3). One comes with the claim, or by the session of a site that has none, and stays: only
 * a claim that gets a credential again, and a renewal that has shown the private half of the present one, may bring another.
 */
@Injectable()
export class BundleKeys implements OnModuleInit {
  constructor(
    private readonly repository: BundleKeysRepository,
    private readonly sites: SiteLifecycleService,
    private readonly audit: AuditService,
    private readonly events: EventsService,
    private readonly hooks: Hooks,
  ) {}

  onModuleInit(): void {
    this.hooks.bundleKeysClaimed.register((tx, orgId, sites) => this.repository.insert(tx, orgId, sites));
    this.hooks.siteReissued.register((tx, principal, orgId, siteId, key, handedOver) =>
      this.reissued(tx, principal, orgId, siteId, key, handedOver),
    );
  }

  /** Of sessions: takes the keys of sites that have none. `address` is whence the session came. */
  async adopt(tx: EntityManager, rows: (KeyOfSite & { address: string | null })[]): Promise<void> {
    const adopted = await this.repository.adopt(tx, rows);
    const given = new Map(rows.map((row) => [row.siteId, row]));
    await this.changed(
      tx,
      adopted.map(({ siteId, orgId, niceId }) => {
        const { jkt, address } = given.get(siteId)!;
        return { principal: siteItself(orgId, siteId, niceId, address), orgId, siteId, from: null, to: jkt };
      }),
    );
  }

  /** The site's key, as it is now; null: it has none. */
  of(em: EntityManager, siteId: number): Promise<SiteBundleKey | null> {
    return this.repository.of(em, siteId);
  }

  /** Of a renewal. The site is locked. */
  async replace(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    given: SiteBundleKey,
  ): Promise<void> {
    const before = await this.repository.jktOf(tx, siteId);
    if (given.jkt === before) return;
    await this.repository.insert(tx, orgId, [{ siteId, ...given }]);
    await this.changed(tx, [{ principal, orgId, siteId, from: before, to: given.jkt }]);
  }

  /** Who was handed the site without a key of its own has nothing to do with the one of before; a lost answer that is asked for again keeps it. */
  private async reissued(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    given: SiteBundleKey | null,
    handedOver: boolean,
  ): Promise<void> {
    if (given) return this.replace(tx, principal, orgId, siteId, given);
    const before = await this.repository.jktOf(tx, siteId);
    if (before === null || !handedOver) return;
    await this.repository.remove(tx, siteId);
    await this.changed(tx, [{ principal, orgId, siteId, from: before, to: null }]);
  }

  private async changed(tx: EntityManager, changes: Change[]): Promise<void> {
    await this.audit.recordMany(
      tx,
      changes.map(({ principal, orgId, siteId, from, to }) => ({
        principal,
        orgId,
        action: 'site.change_bundle_key',
        target: { type: 'site', id: siteId },
        details: { from, to },
      })),
    );
    await this.events.emit(
      tx,
      ...changes.map(({ orgId, siteId, from, to }) => ({
        orgId,
        type: 'site.bundle_key_changed' as const,
        siteId,
        data: { from, to },
      })),
    );
    for (const orgId of new Set(changes.map((change) => change.orgId)))
      await this.sites.bumpDesired(
        tx,
        orgId,
        changes.flatMap((change) => (change.orgId === orgId ? [change.siteId] : [])),
      );
  }
}

/** A site, by its session. `address` is whence that came. */
export const siteItself = (orgId: string, siteId: number, niceId: string, address: string | null): Principal => ({
  authority: { kind: 'site', orgId },
  kind: 'site',
  id: String(siteId),
  name: niceId,
  address,
});
