import { Injectable, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  ApiResult,
  conflict,
  Db,
  type ExportFormat,
  Exports,
  execute,
  exportOfRows,
  invalid,
  limitsOf,
  notFound,
  type PageQuery,
  type Principal,
  query,
  requireVersion,
  windowIfAsked,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { type ResourceChanges, ResourcesRepository, type StoredResource } from '../public/resources.repository.js';
import { ResourcesService } from '../public/resources.service.js';
import { ResourceWriter } from '../writer/resource-writer.js';
import type { HeaderAuthBody, Whitelist, WhitelistedEmail } from './auth.dto.js';
import { headerAuthSecret, SharedSecrets } from './shared-secrets.js';

/** Nothing, and the version that the resource has now. */
type Changed = ApiResult<Record<string, never>>;

/** What visitors of a public resource must know or be (docs/integration-api.md §3.5 "Authentication"). Nothing of it is ever shown. */
@Injectable()
export class ResourceAuthService {
  constructor(
    private readonly db: Db,
    private readonly resources: ResourcesService,
    private readonly repository: ResourcesRepository,
    private readonly writer: ResourceWriter,
    private readonly secrets: SharedSecrets,
    private readonly audit: AuditService,
    private readonly exports: Exports,
  ) {}

  /** @throws validation when it is no HTTP resource, capacity when too much is being hashed; so do the next two. */
  async setPassword(
    principal: Principal,
    orgId: string,
    resourceId: number,
    password: string | null,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    const passwordHash = password === null ? null : await this.secrets.hash(password, turnOf(orgId));
    return this.set(principal, orgId, resourceId, ifMatch, 'resource.set_password', password !== null, {
      passwordHash,
    });
  }

  async setPincode(
    principal: Principal,
    orgId: string,
    resourceId: number,
    pincode: string | null,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    const pincodeHash = pincode === null ? null : await this.secrets.hash(pincode, turnOf(orgId));
    return this.set(principal, orgId, resourceId, ifMatch, 'resource.set_pincode', pincode !== null, { pincodeHash });
  }

  async setHeaderAuth(
    principal: Principal,
    orgId: string,
    resourceId: number,
    { user, password, extendedCompatibility }: HeaderAuthBody,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    const cleared = user === null || password === null || extendedCompatibility === null;
    const changes = cleared
      ? { headerAuthUser: null, headerAuthHash: null, headerAuthExtended: null }
      : {
          headerAuthUser: user,
          headerAuthHash: await this.secrets.hash(headerAuthSecret(user, password), turnOf(orgId)),
          headerAuthExtended: extendedCompatibility,
        };
    return this.set(principal, orgId, resourceId, ifMatch, 'resource.set_header_auth', !cleared, changes);
  }

  /** In the order in which they were given. */
  async whitelist(
    _principal: Principal,
    orgId: string,
    resourceId: number,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<Whitelist | StreamableFile> {
    const rows = 'SELECT email FROM resource_whitelist WHERE resource_id = $1';
    if (format) {
      const list = {
        name: `resource-${resourceId}-whitelist`,
        columns: { email: true },
        rows,
        values: [resourceId],
      } as const;
      return this.exports.start(
        orgId,
        format,
        exportOfRows<WhitelistedEmail, 'email'>(this.db.manager, { ...list, values: [resourceId], by: ['email'] }),
      );
    }
    const text = `${rows} ORDER BY position, email LIMIT $2 OFFSET $3`;
    return { whitelist: await query(this.db.manager, text, [resourceId, ...limitsOf(windowIfAsked(page))]) };
  }

  /** Replaces the list. @throws validation unless the whitelist is switched on; so does `allow`. */
  async setWhitelist(
    principal: Principal,
    orgId: string,
    resourceId: number,
    emails: string[],
    ifMatch: number | undefined,
  ): Promise<Changed> {
    const wanted = [...new Set(emails)];
    return this.db.tx(async (tx) => {
      const { version } = requireWhitelist(await this.lock(tx, orgId, resourceId, ifMatch));
      await this.writer.setGrants(tx, orgId, 'resource_whitelist', [{ id: resourceId, keys: wanted }]);
      return this.done(tx, principal, orgId, resourceId, version, 'resource.set_whitelist', { emails: wanted.length });
    });
  }

  /** @throws conflict when it is there. */
  async allow(
    principal: Principal,
    orgId: string,
    resourceId: number,
    email: string,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.db.tx(async (tx) => {
      const { version } = requireWhitelist(await this.lock(tx, orgId, resourceId, ifMatch));
      const added = await execute(
        tx,
        `INSERT INTO resource_whitelist (resource_id, email, position)
         SELECT $1, $2, coalesce(max(position), 0) + 1 FROM resource_whitelist WHERE resource_id = $1 ON CONFLICT DO NOTHING`,
        [resourceId, email],
      );
      if (added === 0) throw conflict('This e-mail is on the whitelist already');
      return this.done(tx, principal, orgId, resourceId, version, 'resource.add_to_whitelist', { email });
    });
  }

  /** @throws not_found when it is not there. */
  async disallow(
    principal: Principal,
    orgId: string,
    resourceId: number,
    email: string,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.db.tx(async (tx) => {
      const { version } = await this.lock(tx, orgId, resourceId, ifMatch);
      if (
        (await execute(tx, 'DELETE FROM resource_whitelist WHERE resource_id = $1 AND email = $2', [
          resourceId,
          email,
        ])) === 0
      )
        throw notFound('E-mail');
      return this.done(tx, principal, orgId, resourceId, version, 'resource.remove_from_whitelist', { email });
    });
  }

  private async set(
    principal: Principal,
    orgId: string,
    resourceId: number,
    ifMatch: number | undefined,
    action: string,
    set: boolean,
    changes: ResourceChanges,
  ): Promise<Changed> {
    return this.db.tx(async (tx) => {
      requireHttp(await this.lock(tx, orgId, resourceId, ifMatch));
      const { version } = await this.repository.update(tx, orgId, resourceId, changes);
      return this.done(tx, principal, orgId, resourceId, version, action, { set });
    });
  }

  private async lock(
    tx: EntityManager,
    orgId: string,
    resourceId: number,
    ifMatch: number | undefined,
  ): Promise<StoredResource> {
    const resource = await this.resources.lock(tx, orgId, resourceId);
    requireVersion('Resource', ifMatch, resource.version);
    return resource;
  }

  private async done(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    resourceId: number,
    version: number,
    action: string,
    details: Record<string, unknown>,
  ): Promise<Changed> {
    await this.audit.record(tx, principal, { orgId, action, target: { type: 'resource', id: resourceId }, details });
    return new ApiResult({}, { version });
  }
}

const turnOf = (orgId: string) => ({ source: `org:${orgId}` });

function requireHttp({ http }: StoredResource): void {
  if (!http) throw invalid('resourceId', 'only an HTTP resource can ask its visitors who they are');
}

function requireWhitelist(resource: StoredResource): StoredResource {
  requireHttp(resource);
  if (!resource.emailWhitelistEnabled)
    throw invalid('emailWhitelistEnabled', 'the whitelist of this resource is not switched on');
  return resource;
}
