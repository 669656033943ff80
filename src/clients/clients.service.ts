import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type ApiResult,
  conflict,
  created,
  Db,
  type ExportFormat,
  Exports,
  invalid,
  isUniqueViolation,
  notFound,
  nothingToChange,
  OrgExports,
  type Principal,
  randomLower,
  requireVersion,
  sha256,
  shapeB,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../audit/index.js';
import { AddressPoolService } from '../orgs/index.js';
import { makeNiceId } from '../sites/index.js';
import { ClientReads } from './client-reads.js';
import {
  CLIENT_STATUSES,
  type ClientDefaults,
  type ClientList,
  type ClientView,
  type CreateClientBody,
  DEVICE_STATUSES,
  type ListClientsQuery,
  type ListUserDevicesQuery,
  type UpdateClientBody,
  type UserDeviceList,
} from './clients.dto.js';
import { ClientsRepository, type StoredClient } from './clients.repository.js';

const PAGE_SIZE = 20;
const SECRET_LENGTH = 48;
const NICE_ID_TRIES = 5;
const NICE_ID_INDEX = 'client_org_id_nice_id_key';

/** Machine clients (docs/integration-api.md §3.12): records with an address of the pool that sites draw from too. */
@Injectable()
export class ClientsService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: ClientsRepository,
    private readonly reads: ClientReads,
    private readonly pool: AddressPoolService,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    const em = this.db.manager;
    this.whole.register('clients', 'listClients', ({ orgId }) =>
      this.reads.allMachines(em, orgId, { status: [...CLIENT_STATUSES] }),
    );
    this.whole.register('userDevices', 'listClients', ({ orgId }) =>
      this.reads.allDevices(em, orgId, { status: [...DEVICE_STATUSES] }),
    );
    this.resolvers.registerNumber('clientId', (id) => this.repository.orgOf(this.db.manager, id));
  }

  /** @throws capacity when the address pool is exhausted. */
  async defaults(_principal: Principal, orgId: string): Promise<ClientDefaults> {
    // A reservation comes with an id of the form that olm ids have.
    const { address, newtId } = await this.db.tx((tx) => this.pool.reserve(tx, orgId));
    return { olmId: newtId, olmSecret: randomLower(SECRET_LENGTH), subnet: address };
  }

  /** @throws conflict when address or olmId is taken; validation when the address is outside the organization's ranges. */
  async create(principal: Principal, orgId: string, body: CreateClientBody): Promise<ApiResult<ClientView>> {
    const { name, olmId } = body;
    const secretHash = sha256(body.secret);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.db.tx(async (tx) => {
          const address = await this.pool.take(tx, orgId, body.subnet, 'subnet');
          const row = await this.repository.insert(tx, orgId, {
            niceId: makeNiceId(),
            name,
            olmId,
            secretHash,
            address,
          });
          await this.audit.record(tx, principal, {
            orgId,
            action: 'client.create',
            target: { type: 'client', id: row.clientId },
            details: { name },
          });
          return created(toView(row));
        });
      } catch (error) {
        if (isUniqueViolation(error, NICE_ID_INDEX) && attempt < NICE_ID_TRIES) continue;
        if (isUniqueViolation(error, 'client_olm_id_key')) throw conflict('This olmId is already in use');
        throw error;
      }
    }
  }

  async list(
    _principal: Principal,
    orgId: string,
    q: ListClientsQuery,
    format?: ExportFormat,
  ): Promise<ClientList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.reads.allMachines(this.db.manager, orgId, q));
    const window = windowOf(q, PAGE_SIZE);
    const [clients, total] = await this.reads.machines(this.db.manager, orgId, q, window);
    return { clients, pagination: shapeB(total, window) };
  }

  async listDevices(
    _principal: Principal,
    orgId: string,
    q: ListUserDevicesQuery,
    format?: ExportFormat,
  ): Promise<UserDeviceList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.reads.allDevices(this.db.manager, orgId, q));
    const window = windowOf(q, PAGE_SIZE);
    const [devices, total] = await this.reads.devices(this.db.manager, orgId, q, window);
    return { devices, pagination: shapeB(total, window) };
  }

  /** @throws not_found */
  async get(_principal: Principal, orgId: string, clientId: number): Promise<{ client: ClientView; version: number }> {
    return versioned(await this.repository.find(this.db.manager, orgId, clientId));
  }

  /** @throws not_found, precondition_failed, conflict when the niceId is taken, validation when nothing is given. */
  async update(
    principal: Principal,
    orgId: string,
    clientId: number,
    body: UpdateClientBody,
    ifMatch: number | undefined,
  ): Promise<{ client: ClientView; version: number }> {
    const fields = Object.keys(body).filter((name) => body[name as keyof UpdateClientBody] !== undefined);
    if (fields.length === 0) throw nothingToChange();
    try {
      return await this.db.tx(async (tx) => {
        requireVersion('Client', ifMatch, (await this.lock(tx, orgId, clientId)).version);
        const row = await this.repository.update(tx, orgId, clientId, body);
        await this.audit.record(tx, principal, {
          orgId,
          action: 'client.update',
          target: { type: 'client', id: clientId },
          details: { fields },
        });
        return versioned(row);
      });
    } catch (error) {
      throw isUniqueViolation(error, NICE_ID_INDEX) ? conflict('This niceId is already in use') : error;
    }
  }

  /** Gives its address back. @throws not_found, validation for the device of a person. */
  async delete(principal: Principal, orgId: string, clientId: number, ifMatch: number | undefined): Promise<void> {
    await this.db.tx(async (tx) => {
      const { userId, name, subnet, version } = await this.lock(tx, orgId, clientId);
      requireVersion('Client', ifMatch, version);
      if (userId !== null) throw invalid('clientId', "a person's device cannot be deleted; archive or block it");
      await this.repository.delete(tx, orgId, clientId);
      await this.pool.release(tx, orgId, [subnet]);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'client.delete',
        target: { type: 'client', id: clientId },
        details: { name },
      });
    });
  }

  /** @throws not_found, validation when it is so already; so does `block`. */
  archive(principal: Principal, orgId: string, clientId: number, archived: boolean): Promise<void> {
    return this.turn(
      principal,
      orgId,
      clientId,
      archived ? 'archive' : 'unarchive',
      archived ? 'is archived already' : 'is not archived',
      (tx) => this.repository.setArchived(tx, orgId, clientId, archived),
    );
  }

  block(principal: Principal, orgId: string, clientId: number, blocked: boolean): Promise<void> {
    return this.turn(
      principal,
      orgId,
      clientId,
      blocked ? 'block' : 'unblock',
      blocked ? 'is blocked already' : 'is not blocked',
      (tx) => this.repository.setBlocked(tx, orgId, clientId, blocked),
    );
  }

  /**
   * For grants to machines; the clients stay until the end of the transaction.
   * @throws not_found for a client of another organization, validation naming `path` for the device of a person.
   */
  async requireMachines(tx: EntityManager, orgId: string, clientIds: number[], path: string): Promise<void> {
    if (clientIds.length === 0) return;
    const rows = await this.repository.among(tx, orgId, clientIds);
    if (rows.length !== clientIds.length) throw notFound('Client');
    if (rows.some((row) => row.userId !== null))
      throw invalid(path, "a person's device has the access of that person; grant it to the user");
  }

  private turn(
    principal: Principal,
    orgId: string,
    clientId: number,
    verb: string,
    otherwise: string,
    change: (tx: EntityManager) => Promise<boolean>,
  ): Promise<void> {
    return this.db.tx(async (tx) => {
      if (!(await change(tx))) {
        await this.lock(tx, orgId, clientId);
        throw invalid('clientId', `the client ${otherwise}`);
      }
      await this.audit.record(tx, principal, {
        orgId,
        action: `client.${verb}`,
        target: { type: 'client', id: clientId },
      });
    });
  }

  private async lock(tx: EntityManager, orgId: string, clientId: number): Promise<StoredClient> {
    const row = await this.repository.lock(tx, orgId, clientId);
    if (!row) throw notFound('Client');
    return row;
  }
}

function toView({ version: _, ...client }: StoredClient): ClientView {
  return client;
}

function versioned(row: StoredClient | null): { client: ClientView; version: number } {
  if (!row) throw notFound('Client');
  return { client: toView(row), version: row.version };
}
