import { randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Action, grants } from '#contracts';
import {
  AppError,
  base32,
  type Columns,
  conflict,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  InvalidatedCache,
  invalid,
  isUniqueViolation,
  notFound,
  notify,
  OrgExports,
  type PageQuery,
  PgNotifications,
  type Principal,
  randomLower,
  sameBytes,
  sha256,
  shapeA,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { createdBy } from '../created-by.dto.js';
import type { ApiKey } from './api-key.entity.js';
import type { ApiKeyActionList, ApiKeyList, ApiKeyView, CreateApiKeyBody, CreatedApiKey } from './api-keys.dto.js';
import { ApiKeysRepository } from './api-keys.repository.js';

type KeyPrincipal = Pick<Principal, 'authority' | 'kind' | 'id' | 'name' | 'orgUids' | 'endsAt'>;
interface KnownKey {
  secretHash: Buffer;
  orgId: string | null;
  principal: KeyPrincipal;
}

export interface RootKeyView {
  apiKeyId: string;
  name: string;
  lastChars: string;
  createdAt: Date;
}

const COLUMNS: Columns<ApiKeyView> = {
  apiKeyId: true,
  orgId: true,
  lastChars: true,
  createdAt: true,
  name: true,
  createdBy: true,
  lastUsedAt: true,
  lastUsedFrom: true,
  expiresAt: true,
};

/** Organization and root API keys (docs/integration-api.md §1.5, §3.11): SHA-256 instead of a slow hash, because the secrets are random. */
@Injectable()
export class ApiKeysService implements OnModuleInit {
  private readonly known: InvalidatedCache<KnownKey>;

  constructor(
    private readonly db: Db,
    private readonly repository: ApiKeysRepository,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
    notifications: PgNotifications,
  ) {
    this.known = new InvalidatedCache(notifications, {
      max: 10_000,
      channels: { access_changed: (name) => [name] },
      tags: (id, key) => [`key:${id}`, ...(key?.orgId ? [`org:${key.orgId}`] : [])],
    });
  }

  onModuleInit(): void {
    this.whole.register('apiKeys', 'listApiKeys', ({ orgId }) => this.all(orgId));
    this.resolvers.register('apiKeyId', async (value) => {
      const orgId = await this.repository.orgOf(this.db.manager, value);
      return orgId === null ? null : { orgId };
    });
  }

  /** @returns who the key is, or null; at most one query, cached until a notice drops it. @throws unauthenticated for a key that has expired, which only its holder learns */
  async authenticate(id: string, secret: string): Promise<KeyPrincipal | null> {
    const key = id.includes('\0') ? null : await this.known.get(id, () => this.load(this.db.manager, id));
    const presented = sha256(secret);
    if (!key || !sameBytes(presented, key.secretHash)) return null;
    if (isOver(key.principal)) throw new AppError('unauthenticated', 'The API key has expired');
    return key.principal;
  }

  /** Who a key is by now, for work that goes on after its request. @returns null when it is deleted or has expired */
  async principalOfKey(em: EntityManager, id: string): Promise<KeyPrincipal | null> {
    const principal = (await this.load(em, id))?.principal;
    return !principal || isOver(principal) ? null : principal;
  }

  /** PUT /org/{orgId}/api-key: a new key holds no action. The secret is in the answer and nowhere else. @throws validation for an end in the past */
  async create(
    principal: Principal,
    orgId: string,
    { name, expiresAt: end }: CreateApiKeyBody,
  ): Promise<CreatedApiKey> {
    const expiresAt = end ? new Date(end) : null;
    if (expiresAt && expiresAt.getTime() <= Date.now()) throw invalid('expiresAt', 'lies in the past');
    const made = newKey();
    return this.db.tx(async (tx) => {
      const createdAt = await this.repository.insert(tx, {
        apiKeyId: made.id,
        orgId,
        name,
        secretHash: made.hash,
        lastChars: made.lastChars,
        createdBy: createdBy(principal),
        expiresAt,
      });
      await this.record(tx, principal, orgId, 'api_key.create', made.id, {
        name,
        ...(expiresAt ? { expiresAt } : {}),
      });
      return { apiKeyId: made.id, apiKey: made.secret, name, lastChars: made.lastChars, createdAt, expiresAt };
    });
  }

  /** GET /org/{orgId}/api-keys, or all of them in a format. */
  async list(orgId: string, query: PageQuery, format?: ExportFormat): Promise<ApiKeyList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId));
    const window = windowOf(query, 1000);
    const [keys, total] = await this.repository.list(this.db.manager, orgId, window);
    return {
      apiKeys: keys.map((key) => viewOf(orgId, key)),
      pagination: shapeA(total, window),
    };
  }

  private all(orgId: string): ExportSource<ApiKeyView, string> {
    return {
      name: 'api-keys',
      columns: COLUMNS,
      page: async (after, limit) =>
        (await this.repository.after(this.db.manager, orgId, after, limit)).map((key) => viewOf(orgId, key)),
      keyOf: (key) => key.apiKeyId,
    };
  }

  /** GET /org/{orgId}/api-key/{apiKeyId}. @throws not_found */
  async get(orgId: string, apiKeyId: string): Promise<ApiKeyView> {
    const key = await this.repository.read(this.db.manager, orgId, apiKeyId);
    if (!key) throw notFound('API key');
    return viewOf(orgId, key);
  }

  async listActions(orgId: string, apiKeyId: string, query: PageQuery): Promise<ApiKeyActionList> {
    const window = windowOf(query, 1000);
    const actions = await this.repository.actionsOf(this.db.manager, orgId, apiKeyId);
    if (!actions) throw notFound('API key');
    const page = actions.slice(window.offset, window.offset + window.limit);
    return {
      actions: page.map((actionId) => ({ actionId })),
      actionIds: page,
      pagination: shapeA(actions.length, window),
    };
  }

  /** Replaces the key's actions. @throws permission_denied for an action that the caller lacks (docs/integration-api.md §1.5). */
  async setActions(principal: Principal, orgId: string, apiKeyId: string, actions: Action[]): Promise<object> {
    const lacking = actions.filter(
      (action) => grants(principal.authority, { kind: 'org', action, orgId }) !== 'granted',
    );
    if (lacking.length > 0)
      throw new AppError('permission_denied', `Nobody grants an action that they lack: ${lacking.join(', ')}`);
    return this.db.tx(async (tx) => {
      if (!(await this.repository.setActions(tx, orgId, apiKeyId, [...actions].sort()))) throw notFound('API key');
      await notify(tx, 'access_changed', `key:${apiKeyId}`);
      await this.record(tx, principal, orgId, 'api_key.set_actions', apiKeyId, { actions });
      return {};
    });
  }

  async delete(principal: Principal, orgId: string, apiKeyId: string): Promise<void> {
    await this.db.tx((tx) => this.remove(tx, principal, orgId, apiKeyId, 'api_key.delete'));
  }

  /** For the first run and the admin command; `id` and `secret` bring a key of one's own. @throws conflict when the id is taken. */
  async createRootKey(
    tx: EntityManager,
    principal: Principal,
    wanted: { name: string; id?: string; secret?: string },
  ): Promise<CreatedApiKey> {
    const { id, secret, hash, lastChars } = newKey(wanted.id, wanted.secret);
    try {
      const createdAt = await this.repository.insert(tx, {
        apiKeyId: id,
        orgId: null,
        name: wanted.name,
        secretHash: hash,
        lastChars,
        createdBy: createdBy(principal),
        expiresAt: null,
      });
      // A guess at this id may have been remembered as absent.
      await notify(tx, 'access_changed', `key:${id}`);
      await this.record(tx, principal, null, 'root_key.create', id, { name: wanted.name });
      return { apiKeyId: id, apiKey: secret, name: wanted.name, lastChars, createdAt, expiresAt: null };
    } catch (error) {
      throw isUniqueViolation(error) ? conflict('An API key with this id exists') : error;
    }
  }

  async listRootKeys(tx: EntityManager): Promise<RootKeyView[]> {
    const [keys] = await this.repository.list(tx, null, { limit: 1000, offset: 0 });
    return keys.map(({ apiKeyId, name, lastChars, createdAt }) => ({ apiKeyId, name, lastChars, createdAt }));
  }

  /** @throws not_found */
  async revokeRootKey(tx: EntityManager, principal: Principal, apiKeyId: string): Promise<void> {
    await this.remove(tx, principal, null, apiKeyId, 'root_key.revoke');
  }

  private async remove(
    tx: EntityManager,
    principal: Principal,
    orgId: string | null,
    apiKeyId: string,
    action: string,
  ): Promise<void> {
    if (!(await this.repository.delete(tx, orgId, apiKeyId))) throw notFound('API key');
    await notify(tx, 'access_changed', `key:${apiKeyId}`);
    await this.record(tx, principal, orgId, action, apiKeyId);
  }

  private async record(
    tx: EntityManager,
    principal: Principal,
    orgId: string | null,
    action: string,
    id: string,
    details?: Record<string, unknown>,
  ) {
    await this.audit.record(tx, principal, { orgId, action, target: { type: 'api_key', id }, details });
  }

  private async load(em: EntityManager, id: string): Promise<KnownKey | null> {
    const row = await this.repository.find(em, id);
    if (!row) return null;
    const { orgId, orgUid, name, secretHash, expiresAt } = row;
    const principal: KeyPrincipal =
      orgId === null || orgUid === null
        ? { authority: { kind: 'rootKey' }, kind: 'root_key', id, name }
        : {
            authority: { kind: 'orgKey', orgId, actions: new Set(row.actions) },
            kind: 'api_key',
            id,
            name,
            orgUids: new Map([[orgId, orgUid]]),
            ...(expiresAt ? { endsAt: expiresAt } : {}),
          };
    return { secretHash: Buffer.from(secretHash), orgId, principal };
  }
}

const isOver = ({ endsAt }: KeyPrincipal) => endsAt !== undefined && endsAt.getTime() <= Date.now();

const viewOf = (orgId: string, key: ApiKey): ApiKeyView => ({
  apiKeyId: key.apiKeyId,
  orgId,
  lastChars: key.lastChars,
  createdAt: key.createdAt,
  name: key.name,
  createdBy: key.createdBy,
  lastUsedAt: key.lastUsedAt,
  lastUsedFrom: key.lastUsedAddress,
  expiresAt: key.expiresAt,
});

/** docs/integration-api.md §1.5: id of 15, secret of 200 random bits in base32. */
function newKey(id = randomLower(15), secret = base32(randomBytes(25))) {
  return { id, secret, hash: sha256(secret), lastChars: secret.slice(-4) };
}
