import { randomUUID } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Oddity, RevocationReason } from '#contracts';
import { AppError, conflict, Hooks, isUniqueViolation, notFound, notify, requireVersion } from '#platform';
import { AddressPoolService } from '../orgs/index.js';
import { makeNiceId } from './nice-id.js';
import {
  type SiteFields,
  type SiteInsert,
  type SiteStatus,
  SitesRepository,
  type SiteType,
} from './sites.repository.js';

export interface NewSite {
  /** Drawn by the caller when something must be bound to it beforehand. */
  deviceId?: string;
  /** null: the generated niceId. */
  name: string | null;
  /** Generated when absent. */
  niceId?: string;
  description?: string | null;
  status: SiteStatus;
  hardwareId: string | null;
  /** `a.b.c.d/prefix`, as the address pool answers it. */
  address: string | null;
  labels?: Record<string, string>;
  config?: Record<string, unknown>;
  attributes?: Record<string, unknown>;
  keyId?: string | null;
  keyGeneration?: number | null;
  templateId?: number | null;
  profileId?: number | null;
  claimId?: number | null;
  ephemeralSeconds?: number | null;
  claimedFrom?: string | null;
  oddities?: Oddity[];
  type?: SiteType;
  subnet?: string | null;
  dockerSocketEnabled?: boolean;
  autoUpdateEnabled?: boolean;
  autoUpdateOverrideOrg?: boolean;
  remoteSubnets?: string | null;
}

export interface CreatedSite {
  siteId: number;
  niceId: string;
  deviceId: string;
  name: string;
  createdAt: Date;
}

/** Fresh niceIds to try when the generated one is taken: with 10^13 of them the second try is already a rarity. */
const NICE_ID_TRIES = 5;

/** Sites deleted by one statement: an organization of many must not run into the statement timeout. */
const SITES_PER_STATEMENT = 2000;

/** Fields that others make something of. */
const TELLING = ['name', 'niceId', 'labels', 'profileId'] as const satisfies (keyof SiteFields)[];

const niceIdTaken = () => conflict('This niceId is already in use');

/** What other modules do with sites, inside their own transactions. */
@Injectable()
export class SiteLifecycleService implements OnModuleInit {
  constructor(
    private readonly sites: SitesRepository,
    private readonly pool: AddressPoolService,
    private readonly hooks: Hooks,
  ) {}

  onModuleInit(): void {
    this.hooks.orgDeleting.register(async (tx, orgId) => {
      while ((await this.sites.deleteSome(tx, orgId, SITES_PER_STATEMENT)) > 0);
      await this.sites.deleteCounts(tx, orgId);
    });
  }

  /**
   * Inserts sites in the given order; callers sort by hardware id, so that two processes cannot deadlock.
   * @returns per row the new site, or null where the hardware id was there already or twice in `rows`.
   * @throws conflict when a niceId that was given is taken.
   */
  async insertMany(tx: EntityManager, orgId: string, rows: NewSite[]): Promise<(CreatedSite | null)[]> {
    const made: (CreatedSite | null)[] = rows.map(() => null);
    let open = rows.map((row, index) => ({ row, index }));
    for (let attempt = 0; open.length > 0; attempt++) {
      if (attempt === NICE_ID_TRIES) throw new AppError('internal', 'No free niceId was found');
      const inserts = open.map(({ row }) => complete(row));
      const ids = await this.sites.insertMany(tx, orgId, inserts);
      open.forEach(({ index }, i) => {
        const { deviceId, niceId, name } = inserts[i]!;
        const created = ids.get(deviceId);
        if (created) made[index] = { siteId: created.siteId, niceId, deviceId, name, createdAt: created.createdAt };
      });
      open = await this.clashedByName(
        tx,
        orgId,
        open.filter(({ index }) => made[index] === null),
      );
      if (open.some(({ row }) => row.niceId)) throw niceIdTaken();
    }
    return made;
  }

  async addToGroups(tx: EntityManager, pairs: { siteId: number; groupId: number }[]): Promise<void> {
    if (pairs.length > 0) await this.sites.addToGroups(tx, pairs);
  }

  /** @throws not_found when the organization has no such site. */
  async require(em: EntityManager, orgId: string, siteId: number): Promise<void> {
    if (!(await this.sites.exists(em, orgId, siteId))) throw notFound('Site');
  }

  /** Marks sites as odd (docs/claims.md rule 39). */
  async markOdd(tx: EntityManager, siteIds: number[], oddity: Oddity, wait = true): Promise<void> {
    if (siteIds.length > 0) await this.sites.markOdd(tx, siteIds, oddity, wait);
  }

  /** Locks the site for a change by somebody who read this version of it. @throws not_found, precondition_failed */
  async requireVersion(tx: EntityManager, orgId: string, siteId: number, ifMatch: number): Promise<void> {
    const version = await this.sites.lockVersion(tx, orgId, siteId);
    if (version === null) throw notFound('Site');
    requireVersion('Site', ifMatch, version);
  }

  /** Locks the site until the end of the transaction. @returns its profile. @throws not_found */
  async lockProfile(tx: EntityManager, orgId: string, siteId: number): Promise<number | null> {
    const profileId = await this.sites.lockProfile(tx, orgId, siteId);
    if (profileId === undefined) throw notFound('Site');
    return profileId;
  }

  /** Takes a profile that is about to be deleted from every site that has it. */
  async dropProfile(tx: EntityManager, orgId: string, profileId: number): Promise<void> {
    const siteIds = await this.sites.dropProfile(tx, orgId, profileId);
    if (siteIds.length > 0) await this.hooks.sitesChanged.run(tx, orgId, siteIds);
  }

  /** Tells connected agents, on every server process, that what they should do has changed (docs/agent-protocol.md rule 8). */
  async bumpDesired(tx: EntityManager, orgId: string, siteIds: number[]): Promise<void> {
    if (siteIds.length > 0) await this.sites.bumpDesired(tx, orgId, siteIds);
  }

  /**
   * Changes plain fields; the groups given replace those that are there.
   * @throws not_found, for a group of another organization too; conflict when the niceId is taken.
   */
  async update(tx: EntityManager, orgId: string, siteId: number, fields: SiteFields): Promise<void> {
    const { groupIds, ...columns } = fields;
    try {
      if (!(await this.sites.update(tx, orgId, siteId, columns, groupIds !== undefined))) throw notFound('Site');
    } catch (error) {
      throw isUniqueViolation(error, 'site_nice_id') ? niceIdTaken() : error;
    }
    if (groupIds && (await this.sites.setGroups(tx, orgId, siteId, groupIds)) !== groupIds.length)
      throw notFound('Group');
    if (TELLING.some((field) => fields[field] !== undefined)) await this.hooks.sitesChanged.run(tx, orgId, [siteId]);
  }

  /**
   * Deletes a site, which is locked, with everything that hangs on it and gives its address back; sessions are told by notice. Audit is the caller's.
   * @throws not_found
   */
  async remove(tx: EntityManager, orgId: string, siteId: number, reason: RevocationReason): Promise<void> {
    await this.hooks.siteDeleting.run(tx, orgId, siteId, reason);
    const gone = await this.sites.delete(tx, orgId, siteId);
    if (!gone) throw notFound('Site');
    if (gone.address) await this.pool.release(tx, orgId, [gone.address]);
    await notify(tx, 'site_changed', String(siteId));
  }

  /** Rows that met the index of names rather than a known device: those may try again under another name. */
  private async clashedByName<T extends { row: NewSite }>(
    tx: EntityManager,
    orgId: string,
    refused: T[],
  ): Promise<T[]> {
    if (refused.length === 0) return [];
    const hardwareIds = refused.flatMap(({ row }) => row.hardwareId ?? []);
    const known = await this.sites.known(tx, orgId, hardwareIds);
    return refused.filter(({ row }) => row.hardwareId === null || !known.has(row.hardwareId));
  }
}

function complete(row: NewSite): SiteInsert {
  const niceId = row.niceId ?? makeNiceId();
  return {
    deviceId: row.deviceId ?? randomUUID(),
    niceId,
    name: row.name ?? niceId,
    description: row.description ?? null,
    type: row.type ?? 'newt',
    status: row.status,
    hardwareId: row.hardwareId,
    address: row.address,
    subnet: row.subnet ?? null,
    dockerSocketEnabled: row.dockerSocketEnabled ?? true,
    autoUpdateEnabled: row.autoUpdateEnabled ?? false,
    autoUpdateOverrideOrg: row.autoUpdateOverrideOrg ?? false,
    remoteSubnets: row.remoteSubnets ?? null,
    labels: row.labels ?? {},
    config: row.config ?? {},
    attributes: row.attributes ?? {},
    claimId: row.claimId ?? null,
    keyId: row.keyId ?? null,
    keyGeneration: row.keyGeneration ?? null,
    templateId: row.templateId ?? null,
    profileId: row.profileId ?? null,
    ephemeralSeconds: row.ephemeralSeconds ?? null,
    claimedFrom: row.claimedFrom ?? null,
    oddities: row.oddities ?? [],
  };
}
