import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { RevocationReason } from '#contracts';
import type { Principal } from '../access/route-access.js';
import type { SiteBundleKey } from '../crypto/bundle-key.js';

/** What other modules must do in the same transaction as an act of a lower module; filled at module init, run in order of registration. */
export class Hook<Args extends unknown[]> {
  private readonly work: ((tx: EntityManager, ...args: Args) => Promise<void>)[] = [];

  register(fn: (tx: EntityManager, ...args: Args) => Promise<void>): void {
    this.work.push(fn);
  }

  async run(tx: EntityManager, ...args: Args): Promise<void> {
    for (const fn of this.work) await fn(tx, ...args);
  }
}

/** Whose sites are let in, or let back in, by an act: those of a profile, a template, a key, or one site. */
export type ReceivesUnder = { kind: 'profile' | 'template' | 'site'; id: number | null } | { kind: 'key'; id: string };

/** By which a module reaches modules to its left (CONTRIBUTING.md). */
@Injectable()
export class Hooks {
  /** After somebody logged in by their password. */
  readonly userLoggedIn = new Hook<[userId: string]>();
  readonly orgCreated = new Hook<[orgId: string]>();
  /** Before the first row of an organization is deleted (`orgDeleting`), while all are there. */
  readonly orgEnding = new Hook<[orgId: string]>();
  /**
   * Before the row of an organization is deleted, which is locked: modules delete what no foreign key takes along, or not within one statement's
   * time. A module initialises after those that it imports, so this goes up the line of modules: sites before resources (ADR 0025).
   */
  readonly orgDeleting = new Hook<[orgId: string]>();
  /**
   * Before a role's row is deleted: what names it goes over to the replacement, which may be Admin, the role that needs no grants. Without a
   * replacement nobody may hold the role: a module that knows of somebody throws.
   */
  readonly roleReplacing = new Hook<
    [orgId: string, roleId: number, replacement: { roleId: number; isAdmin: boolean } | null]
  >();
  /**
   * After somebody gave a site another profile, or none: what it is started with changes (docs/instances.md §5). A module throws when they may
   * not; the site's row is locked.
   */
  readonly siteProfileChanging = new Hook<
    [principal: Principal, orgId: string, siteId: number, profileId: number | null]
  >();
  /** Before a site's row is deleted, which is locked, and why (DELETE, reject, expiry). */
  readonly siteDeleting = new Hook<[orgId: string, siteId: number, reason: RevocationReason]>();
  /** Before the credentials of a site are revoked for good. Its row is locked. */
  readonly siteRevoking = new Hook<[orgId: string, siteId: number]>();
  /** After name, niceId, labels or profile of sites were written, which has told their agents already. */
  readonly sitesChanged = new Hook<[orgId: string, siteIds: number[]]>();
  /**
   * Of sites that a batch of claims made: those that brought a bundle key. It leaves together with the COMMIT (`Db.commitWith`): one statement,
   * asked for at once.
   */
  readonly bundleKeysClaimed = new Hook<[orgId: string, sites: (SiteBundleKey & { siteId: number })[]]>();
  /**
   * When a claim of a known device gets a credential again, with the bundle key that it brought, or null. `handedOver`: instead of all earlier
   * credentials, to who may be another machine (docs/claims.md rule 13). The site is locked.
   */
  readonly siteReissued = new Hook<
    [principal: Principal, orgId: string, siteId: number, bundleKey: SiteBundleKey | null, handedOver: boolean]
  >();
  /** Before the row of a provisioning profile is deleted, which is locked; neither template nor site has it any more. */
  readonly profileDeleting = new Hook<[orgId: string, profileId: number]>();
  /** When a pending or suspended site becomes approved. */
  readonly siteApproved = new Hook<[orgId: string, siteId: number]>();
  /** After rows gave way that documents which are applied once had staged for waiting sites. */
  readonly onceStagedGone = new Hook<[siteIds: number[]]>();
  /**
   * Of an act that lets sites receive what their profile delivers. Throws permission_denied when that is secrets and the caller does not hold
   * `useSecret` (docs/instances.md §2).
   */
  readonly deliversSecrets = new Hook<[principal: Principal, orgId: string, under: ReceivesUnder]>();
  /** When a superseded credential of a site was used, and its template wants the site suspended. Its row is locked. */
  readonly credentialReused = new Hook<[orgId: string, siteId: number]>();
  /** When an approved site is set back to pending. */
  readonly siteSuspended = new Hook<[orgId: string, siteId: number]>();
}
