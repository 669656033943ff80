import { isIPv4 } from 'node:net';
import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  AppError,
  addressesFrom,
  conflict,
  Db,
  type ExportFormat,
  Exports,
  Hooks,
  invalid,
  notFound,
  type PageQuery,
  type Principal,
  randomLower,
  shapeA,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../audit/index.js';
import type { AddressRangeBody, AddressRangeList, AddressRangeView } from './address-pool.dto.js';
import { AddressPoolRepository, type Taken } from './address-pool.repository.js';

/** Free runs that a range starts with: so many transactions can take addresses side by side without waiting for each other. */
const RUNS_PER_RANGE = 32;
const RESERVED_FOR_SECONDS = 600;
const MAX_RESERVATIONS = 100;
const NEWT_ID_LENGTH = 15;
/** How often the pool is looked at again after a free run moved away under the look; each time another transaction has made progress. */
const LOOKS = 100;

/**
 * The addresses of an organization (docs/claims.md "Addresses"). An address is in exactly one place: a free run, a reservation, or a
 * site; moving it is part of the transaction that needs it, so a rolled-back claim costs nothing. Time does not grow with the number of sites.
 */
@Injectable()
export class AddressPoolService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly pool: AddressPoolRepository,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
  ) {}

  onModuleInit(): void {
    this.hooks.orgCreated.register(async (tx, orgId) => {
      const subnet = await this.pool.lockRanges(tx, orgId);
      if (subnet) await this.add(tx, orgId, subnet);
    });
    this.resolvers.registerNumber('rangeId', (id) => this.pool.orgOfRange(this.db.manager, id));
  }

  /**
   * Takes `count` addresses, lowest first when nobody else takes any at the same time; fewer when there are no more, reservations included.
   * Busy runs are passed by, and waited for before the pool counts as exhausted. Never blocked by a reservation (docs/claims.md rule 15).
   * @returns `a.b.c.d/<prefix length of the range>` each. @throws not_found when there is none because there is no such organization.
   */
  async allocate(tx: EntityManager, orgId: string, count: number): Promise<string[]> {
    const got: string[] = [];
    do {
      got.push(...(await this.takeFree(tx, orgId, count - got.length)));
      if (got.length < count) got.push(...(await this.pool.takeReserved(tx, orgId, count - got.length)).flatMap(spell));
      // A reservation that ran out may have become a free run between the two looks.
    } while (got.length < count && (await this.pool.hasRuns(tx, orgId)));
    if (got.length === 0 && count > 0) await this.requireOrg(tx, orgId);
    return got;
  }

  /**
   * Takes one given address; `path` is the field that it came in.
   * @throws validation when it is no IPv4 address or outside the organization's ranges, conflict when it is in use.
   */
  async take(tx: EntityManager, orgId: string, ip: string, path = 'address'): Promise<string> {
    if (!isIPv4(ip)) throw invalid(path, 'must be an IPv4 address');
    const prefix = await this.pool.prefixOf(tx, orgId, ip);
    if (prefix === null) {
      await this.requireOrg(tx, orgId);
      throw invalid(path, 'is outside the address ranges of the organization');
    }
    for (let look = 0; look < LOOKS; look++) {
      if ((await this.pool.dropReservation(tx, orgId, ip)) || (await this.pool.cutOut(tx, orgId, ip)))
        return `${ip}/${prefix}`;
      if (!(await this.pool.isFree(tx, orgId, ip))) break;
    }
    await this.requireOrg(tx, orgId);
    throw conflict('This address is already in use');
  }

  /** Gives addresses back, with or without prefix length. The caller has just taken them from their site in this transaction. */
  async release(tx: EntityManager, orgId: string, addresses: string[]): Promise<void> {
    for (const address of addresses) await this.pool.release(tx, orgId, address.split('/')[0]!);
  }

  /**
   * Keeps an address and a newt id for ten minutes, softly: a claim takes the address when nothing else is free, and beyond 100 live
   * reservations the oldest is replaced.
   * @throws capacity when there is neither a free nor a reserved address.
   */
  async reserve(tx: EntityManager, orgId: string): Promise<{ address: string; newtId: string }> {
    const newtId = randomLower(NEWT_ID_LENGTH);
    await this.pool.lockReservations(tx, orgId);
    await this.release(tx, orgId, await this.pool.dropExpired(tx, orgId));
    const replaced = await this.pool.replaceOldest(tx, orgId, newtId, RESERVED_FOR_SECONDS, MAX_RESERVATIONS);
    if (replaced) return { address: replaced, newtId };
    const [free] = await this.takeFree(tx, orgId, 1);
    if (free) {
      const address = free.split('/')[0]!;
      await this.pool.addReservation(tx, orgId, address, newtId, RESERVED_FOR_SECONDS);
      return { address, newtId };
    }
    const shared = await this.pool.replaceOldest(tx, orgId, newtId, RESERVED_FOR_SECONDS, 1);
    if (!shared) {
      await this.requireOrg(tx, orgId);
      throw new AppError('capacity', 'The address pool of the organization is exhausted', { retryAfter: 60 });
    }
    return { address: shared, newtId };
  }

  /** @returns true at most once an hour for an organization (docs/claims.md rule 15). */
  markExhausted(tx: EntityManager, orgId: string): Promise<boolean> {
    return this.pool.markExhausted(tx, orgId);
  }

  /** All of them in a format. */
  exportRanges(_principal: Principal, orgId: string, format: ExportFormat): Promise<StreamableFile> {
    return this.exports.start(orgId, format, this.pool.allRanges(this.db.manager, orgId));
  }

  async listRanges(_principal: Principal, orgId: string, page: PageQuery): Promise<AddressRangeList> {
    const window = windowOf(page, 1000);
    const addressRanges = await this.pool.listRanges(this.db.manager, orgId, window.limit, window.offset);
    return { addressRanges, pagination: shapeA(await this.pool.countRanges(this.db.manager, orgId), window) };
  }

  /** @throws conflict when the range overlaps another one or the utility subnet. */
  async createRange(principal: Principal, orgId: string, body: AddressRangeBody): Promise<AddressRangeView> {
    return this.db.tx(async (tx) => {
      if ((await this.pool.lockRanges(tx, orgId)) === null) throw notFound('Organization');
      const rangeId = await this.add(tx, orgId, body.cidr);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'address_range.create',
        target: { type: 'address_range', id: rangeId },
        details: { cidr: body.cidr },
      });
      return (await this.pool.findRange(tx, orgId, rangeId))!;
    });
  }

  /** @throws conflict while a site or a client has an address of it. */
  async deleteRange(principal: Principal, orgId: string, rangeId: number): Promise<void> {
    await this.db.tx(async (tx) => {
      await this.pool.lockRanges(tx, orgId);
      const range = await this.pool.findRange(tx, orgId, rangeId);
      if (!range) throw notFound('Address range');
      if (!(await this.pool.removeRange(tx, orgId, rangeId)))
        throw conflict('A site or a client has an address of this range');
      await this.audit.record(tx, principal, {
        orgId,
        action: 'address_range.delete',
        target: { type: 'address_range', id: rangeId },
        details: { cidr: range.cidr },
      });
    });
  }

  private async requireOrg(tx: EntityManager, orgId: string): Promise<void> {
    if (!(await this.pool.orgExists(tx, orgId))) throw notFound('Organization');
  }

  private async add(tx: EntityManager, orgId: string, cidr: string): Promise<number> {
    const rangeId = await this.pool.addRange(tx, orgId, cidr);
    if (rangeId === null) throw conflict('The range overlaps another range of the organization');
    await this.pool.addRuns(tx, orgId, cidr, RUNS_PER_RANGE);
    return rangeId;
  }

  /** Free addresses only. */
  private async takeFree(tx: EntityManager, orgId: string, count: number): Promise<string[]> {
    const got: string[] = [];
    for (let look = 0; got.length < count && look < LOOKS + count; look++) {
      const missing = count - got.length;
      const taken =
        (await this.pool.takeFromRun(tx, orgId, missing, false)) ??
        (await this.pool.takeFromRun(tx, orgId, missing, true));
      if (taken) got.push(...spell(taken));
      else if (!(await this.pool.hasRuns(tx, orgId))) break;
    }
    return got;
  }
}

/** Each address of a stretch, as it is stored with a site. */
function spell({ first, count, prefix }: Taken): string[] {
  return addressesFrom(first, Number(count)).map((address) => `${address}/${prefix}`);
}
