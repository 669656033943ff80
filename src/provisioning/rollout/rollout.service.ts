import { Injectable, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type Columns,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  invalid,
  notFound,
  orgUidOf,
  type PageQuery,
  type Principal,
  shapeA,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { inForm } from '../hardware-id-form.js';
import { KeysRepository } from '../keys/keys.repository.js';
import type { HardwareIdForm } from '../templates/template.entity.js';
import {
  DEFAULT_HOURS,
  type DeviceCounts,
  type DeviceStanding,
  type DeviceView,
  type ExpectedBody,
  type ExpectedList,
  type ExpectedView,
  type KeyRolloutView,
  type MissingDevices,
  type RolloutQuery,
  type SiteLookupBody,
  type SiteLookupView,
  STANDINGS,
} from './rollout.dto.js';
import { type DeviceNames, type DeviceRow, type RolledOutKey, RolloutRepository } from './rollout.repository.js';

/** Sites that are named of those that nobody listed: of more, the list is the wrong one. */
const MAX_UNEXPECTED = 20;

const TARGET = 'site_provisioning_key';
const DEVICE_COLUMNS: Columns<DeviceView> = {
  hardwareId: true,
  standing: true,
  state: true,
  site: true,
  lastRefusal: true,
  blocked: true,
};

interface KeyOfOrg {
  orgId: string;
  orgUid: string;
  keyId: string;
}

/** Where the devices are that somebody waits for: how far a key's have come, and what is known of any by its hardware id (docs/adr/0075). */
@Injectable()
export class RolloutService {
  constructor(
    private readonly db: Db,
    private readonly repository: RolloutRepository,
    private readonly keys: KeysRepository,
    private readonly audit: AuditService,
    private readonly exports: Exports,
  ) {}

  /** In a format: the devices that are missing. @throws not_found */
  async rollout(
    principal: Principal,
    orgId: string,
    keyId: string,
    { hours = DEFAULT_HOURS, ...page }: RolloutQuery,
    format?: ExportFormat,
  ): Promise<KeyRolloutView | StreamableFile> {
    const em = this.db.manager;
    const key = await this.find(em, orgId, keyId);
    const orgUid = await orgUidOf(em, principal, orgId);
    if (format) return this.exports.start(orgId, format, this.allMissing(em, { orgId, orgUid, keyId }, key));
    const { pending, ...progress } = await this.repository.progress(em, orgId, keyId);
    const refusals = await this.repository.refusals(em, orgUid, keyId);
    const arrivals = await this.repository.arrivals(em, orgUid, keyId, hours);
    const missing = key.hasList ? await this.missing(em, { orgId, orgUid, keyId }, key, page) : null;
    const unexpected = missing === null ? null : progress.claimed - missing.arrived;
    return {
      siteProvisioningKeyId: keyId,
      ...expectation(key),
      ...progress,
      approved: progress.claimed - pending,
      numUsed: key.uses,
      refusals,
      arrivals,
      unexpected,
      unexpectedSites:
        missing && unexpected
          ? await this.repository.unexpected(em, orgId, keyId, namesOf(missing.expected, key.form), MAX_UNEXPECTED)
          : [],
      missing: missing === null ? null : missing.list,
    };
  }

  /** @throws not_found for a key that is not the organization's */
  async lookUp(
    principal: Principal,
    orgId: string,
    { hardwareIds, siteProvisioningKeyId: keyId }: SiteLookupBody,
  ): Promise<SiteLookupView> {
    const em = this.db.manager;
    const key = keyId === undefined ? undefined : await this.find(em, orgId, keyId);
    const orgUid = await orgUidOf(em, principal, orgId);
    // Without a key nobody says which form a device was kept in: as it is written here, or as a MAC address.
    const form = key ? key.form : 'mac';
    const ids = key ? distinct(hardwareIds, form) : firstSpellings(hardwareIds);
    const devices = await this.devices(em, { orgId, orgUid, keyId }, ids, form);
    const counts = Object.fromEntries(STANDINGS.map((standing) => [standing, 0])) as unknown as DeviceCounts;
    for (const { standing } of devices) counts[standing]++;
    return { devices, counts };
  }

  /** @throws not_found */
  async expected(
    orgId: string,
    keyId: string,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<ExpectedList | StreamableFile> {
    const em = this.db.manager;
    const key = await this.find(em, orgId, keyId);
    if (format) return this.exports.start(orgId, format, this.repository.allExpected(em, keyId));
    const window = windowOf(page, 1000);
    return {
      ...expectation(key),
      hardwareIds: await this.repository.expectedPage(em, keyId, window),
      pagination: shapeA(key.hasList ? (key.expectedCount ?? 0) : 0, window),
    };
  }

  /** Who or how many are to come, in place of what was said before; null: what the key's uses say. @throws not_found; validation unless it is either a list or a number */
  async expect(principal: Principal, orgId: string, keyId: string, body: ExpectedBody | null): Promise<ExpectedView> {
    if (body && (body.hardwareIds === undefined) === (body.count === undefined))
      throw invalid('hardwareIds', 'either hardwareIds or count is required, not both');
    return this.db.tx(async (tx) => {
      if (!(await this.keys.lock(tx, orgId, keyId))) throw notFound('Provisioning key');
      const { form } = await this.find(tx, orgId, keyId);
      const ids = distinct(body?.hardwareIds ?? [], form);
      const count = ids.length > 0 ? ids.length : (body?.count ?? null);
      await this.repository.expect(tx, keyId, count, ids);
      await this.audit.record(tx, principal, {
        orgId,
        action: `${TARGET}.expect`,
        target: { type: TARGET, id: keyId },
        details: { count, listed: ids.length > 0 },
      });
      return expectation(await this.find(tx, orgId, keyId));
    });
  }

  private async missing(
    em: EntityManager,
    of: KeyOfOrg,
    { form }: RolledOutKey,
    page: PageQuery,
  ): Promise<{ arrived: number; expected: string[]; list: MissingDevices }> {
    const window = windowOf(page, 1000);
    const { arrived, expected, missing } = await this.missingIds(em, of, form);
    const ids = missing.slice(window.offset, window.offset + window.limit);
    return {
      arrived,
      expected,
      list: { devices: await this.devices(em, of, ids, form), pagination: shapeA(missing.length, window) },
    };
  }

  /** Read on by the ids that were expected: a device may be known by another spelling. */
  private allMissing(em: EntityManager, of: KeyOfOrg, { form }: RolledOutKey): ExportSource<DeviceView, string> {
    let last: string;
    return {
      name: `missing-${of.keyId}`,
      columns: DEVICE_COLUMNS,
      page: async (after, limit) => {
        const ids = (await this.missingIds(em, of, form, after)).missing.slice(0, limit);
        last = ids.at(-1) ?? '';
        return this.devices(em, of, ids, form);
      },
      keyOf: () => last,
    };
  }

  private async missingIds(
    em: EntityManager,
    { orgId, keyId }: KeyOfOrg,
    form: HardwareIdForm | null,
    after?: string,
  ): Promise<{ arrived: number; expected: string[]; missing: string[] }> {
    const expected = await this.repository.expectedIds(em, keyId, after);
    const arrived = await this.repository.arrived(em, orgId, keyId, namesOf(expected, form));
    return { arrived: arrived.size, expected, missing: expected.filter((_, n) => !arrived.has(n)) };
  }

  private async devices(
    em: EntityManager,
    { orgId, orgUid, keyId }: { orgId: string; orgUid: string; keyId: string | undefined },
    hardwareIds: string[],
    form: HardwareIdForm | null,
  ): Promise<DeviceView[]> {
    const rows = await this.repository.lookUp(em, orgId, orgUid, namesOf(hardwareIds, form));
    return rows.map((row) => ({
      hardwareId: row.hardwareId,
      standing: standingOf(row, keyId),
      state: row.state,
      site: row.site,
      lastRefusal: row.lastRefusal,
      blocked: row.blocked,
    }));
  }

  private async find(em: EntityManager, orgId: string, keyId: string): Promise<RolledOutKey> {
    const key = await this.repository.key(em, orgId, keyId);
    if (!key) throw notFound('Provisioning key');
    return key;
  }
}

/** Each device once, in the form of the template. */
const distinct = (hardwareIds: string[], form: HardwareIdForm | null) => [
  ...new Set(hardwareIds.map((id) => inForm(form, id))),
];

/** Each device once, as it was written first. */
function firstSpellings(hardwareIds: string[]): string[] {
  const first = new Map<string, string>();
  for (const id of hardwareIds) if (!first.has(inForm('mac', id))) first.set(inForm('mac', id), id);
  return [...first.values()];
}

/** A device is known as it is written or in the form (docs/claims.md rule 33). */
function namesOf(hardwareIds: string[], form: HardwareIdForm | null): DeviceNames {
  const names: DeviceNames = { n: [], hardwareIds: [] };
  hardwareIds.forEach((id, n) => {
    for (const name of new Set([id, inForm(form, id)])) {
      names.n.push(n);
      names.hardwareIds.push(name);
    }
  });
  return names;
}

function standingOf({ site, blocked, lastRefusal, seen }: DeviceRow, keyId: string | undefined): DeviceStanding {
  if (site) return keyId === undefined || site.siteProvisioningKeyId === keyId ? 'enrolled' : 'other_key';
  if (blocked) return 'blocked';
  if (lastRefusal) return 'refused';
  return seen ? 'seen_before' : 'never_seen';
}

function expectation({ hasList, expectedCount, maxUses }: RolledOutKey): ExpectedView {
  if (expectedCount !== null) return { expected: expectedCount, expectedBy: hasList ? 'list' : 'count' };
  return { expected: maxUses, expectedBy: maxUses === null ? null : 'maxBatchSize' };
}
