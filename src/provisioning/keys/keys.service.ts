import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type Columns,
  Config,
  conflict,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  Hooks,
  invalid,
  notFound,
  nothingToChange,
  notify,
  OrgExports,
  orgUidOf,
  type Principal,
  SiteTrust,
  sha256,
  shapeA,
  windowOf,
} from '#platform';
import { createdBy } from '../../access/index.js';
import { AuditService } from '../../audit/index.js';
import { mayApprove, refuseApproval } from '../approval-permission.js';
import type { KeyUsers } from '../users.dto.js';
import { UsersRepository } from '../users.repository.js';
import {
  CreatedKeyView,
  type CreateKeyBody,
  DEFAULT_OVERLAP_SECONDS,
  type KeyList,
  type KeyView,
  type ListKeysQuery,
  type RotatedKeyView,
  type RotateKeyBody,
  type UpdateKeyBody,
} from './key.dto.js';
import { formatKey, newKeyId, newKeySecret } from './key-token.js';
import { KeysRepository } from './keys.repository.js';

const TARGET = 'site_provisioning_key';

const COLUMNS: Columns<KeyView> = {
  siteProvisioningKeyId: true,
  orgId: true,
  name: true,
  state: true,
  status: true,
  numUsed: true,
  maxBatchSize: true,
  oneTime: true,
  validUntil: true,
  createdAt: true,
  createdBy: true,
  lastUsed: true,
  lastUsedAt: true,
  lastUsedIp: true,
  lastUsedFrom: true,
  expiresAt: true,
  templateId: true,
  approveNewSites: true,
  approveNewSitesSource: true,
  approvalLimit: true,
  lastChars: true,
  generations: true,
};

/** A key that was stopped, and the whole of it when it was rotated. */
export interface StoppedKey {
  key: KeyView;
  siteProvisioningKey: string | null;
}

/** Transactions in the way that were ended (`Db.txFirst`). */
type Ended = () => Promise<readonly unknown[]>;

/** Provisioning keys: issue, limit, rotate, revoke (docs/claims.md "Keys, templates and profiles"; docs/integration-api.md §3.16). */
@Injectable()
export class KeysService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: KeysRepository,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly users: UsersRepository,
    private readonly trust: SiteTrust,
    private readonly exports: Exports,
    private readonly config: Config,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('siteProvisioningKeys', 'listSiteProvisioningKeys', ({ orgId }) => this.all(orgId));
  }

  /**
   * A key that approves at once takes `updateSite` to make (docs/claims.md rule 18). Without it the key never does, whatever its template says:
   * it is stored with `approveNewSites: false`. Under a profile that delivers secrets it takes `useSecret` (docs/instances.md §2).
   * @returns the key with its secret, shown only here. @throws permission_denied for `approveNewSites: true` and for secrets; validation on contradictions (docs/claims.md rule 8); not_found for another organization's template. */
  async create(principal: Principal, orgId: string, body: CreateKeyBody): Promise<CreatedKeyView> {
    return this.db.tx((tx) => this.createIn(tx, principal, orgId, body));
  }

  /** Like `create`, inside a transaction of the caller: the first run. */
  async createIn(tx: EntityManager, principal: Principal, orgId: string, body: CreateKeyBody): Promise<CreatedKeyView> {
    if (body.oneTime && body.maxBatchSize !== undefined && body.maxBatchSize !== 1) {
      throw invalid('maxBatchSize', 'a one-time key has exactly one use');
    }
    const may = mayApprove(principal, orgId);
    if (body.approveNewSites && !may) throw refuseApproval();
    const keyId = newKeyId();
    const secret = newKeySecret(keyId);
    const added = await this.repository.insert(tx, orgId, {
      keyId,
      templateId: body.templateId ?? null,
      name: body.name,
      maxUses: body.oneTime ? 1 : (body.maxBatchSize ?? null),
      oneTime: body.oneTime ?? false,
      expiresAt: futureInstant(body.validUntil),
      approveNewSites: body.approveNewSites ?? (may ? null : false),
      secretHash: sha256(secret),
      lastChars: secret.slice(-4),
      createdBy: createdBy(principal),
    });
    if (!added) throw notFound('Provisioning template');
    await this.hooks.deliversSecrets.run(tx, principal, orgId, { kind: 'key', id: keyId });
    if (body.status === 'disabled') await this.repository.update(tx, orgId, keyId, { disabled: true });
    await this.audit.record(tx, principal, {
      orgId,
      action: `${TARGET}.create`,
      target: { type: TARGET, id: keyId },
      details: { name: body.name },
    });
    return this.withSecret(tx, principal, orgId, { keyId, secret });
  }

  async list(
    _principal: Principal,
    orgId: string,
    { state, ...page }: ListKeysQuery,
    format?: ExportFormat,
  ): Promise<KeyList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId, state));
    const window = windowOf(page, 1000);
    const { keys, total } = await this.repository.list(this.db.manager, orgId, state, window.limit, window.offset);
    return { siteProvisioningKeys: keys, pagination: shapeA(total, window) };
  }

  private all(orgId: string, state?: ListKeysQuery['state']): ExportSource<KeyView, string> {
    return {
      name: 'provisioning-keys',
      columns: COLUMNS,
      page: (after, limit) => this.repository.after(this.db.manager, orgId, state, after, limit),
      keyOf: (key) => key.siteProvisioningKeyId,
    };
  }

  async get(_principal: Principal, orgId: string, keyId: string): Promise<KeyView> {
    return this.read(this.db.manager, orgId, keyId);
  }

  /** @throws permission_denied when the key would approve more sites at once than before, to who may not have any approved, or lets more sites receive secrets; not_found for the template too, conflict on a revoked key, validation when fields contradict each other or the uses so far. */
  async update(principal: Principal, orgId: string, keyId: string, body: UpdateKeyBody): Promise<KeyView> {
    const { validUntil, maxBatchSize, status, ...rest } = body;
    if (Object.keys(body).length === 0) throw nothingToChange();
    const may = mayApprove(principal, orgId);
    if (body.approveNewSites && !may) throw refuseApproval();
    const change = async (tx: EntityManager, ended?: Ended): Promise<KeyView> => {
      const key = await this.lockLive(tx, orgId, keyId);
      const before = await this.read(tx, orgId, keyId);
      if (key.oneTime && maxBatchSize !== undefined && maxBatchSize !== 1)
        throw invalid('maxBatchSize', 'a one-time key has exactly one use');
      if (typeof maxBatchSize === 'number' && maxBatchSize < key.uses)
        throw invalid('maxBatchSize', `the key was already used ${key.uses} times`);
      const updated = await this.repository.update(tx, orgId, keyId, {
        ...rest,
        ...(maxBatchSize === undefined ? {} : { maxUses: maxBatchSize }),
        ...(validUntil === undefined ? {} : { expiresAt: futureInstant(validUntil) }),
        ...(status === undefined ? {} : { disabled: status === 'disabled' }),
      });
      if (!updated) throw notFound('Provisioning template');
      await this.done(tx, principal, orgId, keyId, 'update', { fields: Object.keys(body) }, ended);
      const after = await this.read(tx, orgId, keyId);
      if (approvesMore(before, after) && !may) throw refuseApproval();
      if (letsMoreIn(before, after))
        await this.hooks.deliversSecrets.run(tx, principal, orgId, { kind: 'key', id: keyId });
      return after;
    };
    return status === 'disabled' ? this.db.txFirst(change) : this.db.tx(change);
  }

  /** Final: a revoked key claims nothing ever again. Repeating it changes nothing. */
  async revoke(principal: Principal, orgId: string, keyId: string): Promise<KeyView> {
    return this.db.txFirst(async (tx, ended) => {
      if (!(await this.repository.lock(tx, orgId, keyId))) throw notFound('Provisioning key');
      const changed = await this.repository.revoke(tx, orgId, keyId);
      await this.done(tx, principal, orgId, keyId, 'revoke', { changed }, ended);
      return this.read(tx, orgId, keyId);
    });
  }

  /**
   * A new secret for the same key; the old one works until the overlap ends. Whoever holds the secret of a key that approves has sites approved.
   * @throws permission_denied for such a key, to who may not have any approved, and for one under a profile that delivers secrets without `useSecret`; conflict on a revoked key.
   */
  async rotate(principal: Principal, orgId: string, keyId: string, body: RotateKeyBody): Promise<RotatedKeyView> {
    const { overlapSeconds = DEFAULT_OVERLAP_SECONDS } = body;
    const secret = newKeySecret(keyId);
    const change = async (tx: EntityManager, ended?: Ended): Promise<RotatedKeyView> => {
      const generation = await this.renew(tx, principal, orgId, keyId, secret, overlapSeconds);
      await this.done(tx, principal, orgId, keyId, 'rotate', { generation, overlapSeconds }, ended);
      const sites = await this.users.sitesMadeBy(tx, orgId, keyId);
      return { ...(await this.withSecret(tx, principal, orgId, { keyId, secret })), sites };
    };
    return overlapSeconds === 0 ? this.db.txFirst(change) : this.db.tx(change);
  }

  /**
   * Stops a key that others have, with one audit row: it is disabled, or its secrets so far end at once. `also` is done while the key is locked,
   * so that no claim by it is under way, and says what the audit is to hold and what the whole answer is.
   * @throws not_found; for a rotation what `rotate` throws
   */
  async stopLeaked<T>(
    principal: Principal,
    orgId: string,
    keyId: string,
    by: 'disable' | 'rotate',
    also: (tx: EntityManager, stopped: StoppedKey) => Promise<{ details: Record<string, unknown>; answer: T }>,
  ): Promise<T> {
    const secret = by === 'rotate' ? newKeySecret(keyId) : null;
    return this.db.txFirst(async (tx, ended) => {
      if (secret !== null) await this.renew(tx, principal, orgId, keyId, secret, 0);
      else if (await this.repository.lock(tx, orgId, keyId))
        await this.repository.update(tx, orgId, keyId, { disabled: true });
      const key = await this.read(tx, orgId, keyId);
      const siteProvisioningKey = secret && formatKey({ keyId, secret });
      const { details, answer } = await also(tx, { key, siteProvisioningKey });
      await this.done(tx, principal, orgId, keyId, 'leaked', details, ended);
      return answer;
    });
  }

  /** Locks the key and gives it another secret. @returns its generation. @throws as `rotate` */
  private async renew(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    keyId: string,
    secret: string,
    overlapSeconds: number,
  ): Promise<number> {
    const generation = (await this.lockLive(tx, orgId, keyId)).generation + 1;
    if (!mayApprove(principal, orgId) && (await this.read(tx, orgId, keyId)).approveNewSites) throw refuseApproval();
    await this.hooks.deliversSecrets.run(tx, principal, orgId, { kind: 'key', id: keyId });
    await this.repository.rotate(tx, keyId, generation, sha256(secret), secret.slice(-4), overlapSeconds);
    return generation;
  }

  /** Deletes the key; its sites stay and keep their lineage (docs/claims.md rule 12). @returns them. @throws not_found */
  async delete(principal: Principal, orgId: string, keyId: string): Promise<KeyUsers> {
    return this.db.txFirst(async (tx, ended) => {
      if (!(await this.repository.delete(tx, orgId, keyId))) throw notFound('Provisioning key');
      await this.done(tx, principal, orgId, keyId, 'delete', undefined, ended);
      return { sites: await this.users.sitesMadeBy(tx, orgId, keyId) };
    });
  }

  private async withSecret(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    key: { keyId: string; secret: string },
  ): Promise<CreatedKeyView> {
    const { publicUrl, deviceTlsPort } = this.config.http;
    return {
      ...(await this.read(tx, orgId, key.keyId)),
      siteProvisioningKey: formatKey(key),
      trustFingerprint: await this.trust.fingerprintIn(tx, await orgUidOf(tx, principal, orgId)),
      endpoint: publicUrl.origin,
      deviceEndpoint: deviceTlsPort === undefined ? null : `https://${publicUrl.hostname}:${deviceTlsPort}`,
    };
  }

  private async lockLive(tx: EntityManager, orgId: string, keyId: string) {
    const key = await this.repository.lock(tx, orgId, keyId);
    if (!key) throw notFound('Provisioning key');
    if (key.revoked) throw conflict('The provisioning key is revoked, which is final');
    return key;
  }

  private async done(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    keyId: string,
    verb: string,
    details?: Record<string, unknown>,
    ended?: Ended,
  ): Promise<void> {
    const inTheWay = (await ended?.()) ?? [];
    await this.audit.record(tx, principal, {
      orgId,
      action: `${TARGET}.${verb}`,
      target: { type: TARGET, id: keyId },
      details: inTheWay.length > 0 ? { ...details, endedTransactions: inTheWay.length } : details,
    });
    await notify(tx, 'access_changed', `provisioning:${keyId}`);
  }

  private async read(em: EntityManager, orgId: string, keyId: string): Promise<KeyView> {
    const key = await this.repository.find(em, orgId, keyId);
    if (!key) throw notFound('Provisioning key');
    return key;
  }
}

/** By its own word or its template's, and not held back because its profile delivers secrets. */
const approves = ({ approveNewSites, approvalLimit }: KeyView) => approveNewSites && approvalLimit === null;

/** Whether a key works again, for more sites or for longer. */
const worksMore = (before: KeyView, after: KeyView): boolean =>
  (before.status === 'disabled' && after.status === 'active') ||
  (after.maxBatchSize ?? Infinity) > (before.maxBatchSize ?? Infinity) ||
  (after.validUntil?.getTime() ?? Infinity) > (before.validUntil?.getTime() ?? Infinity);

/** Whether a key has sites approved that it would not have before: by its own word, a template's, or because it works more. */
const approvesMore = (before: KeyView, after: KeyView): boolean =>
  approves(after) && (!approves(before) || worksMore(before, after));

/** Whether sites come by a key that would not have come, or not approved, or not under this template. */
const letsMoreIn = (before: KeyView, after: KeyView): boolean =>
  (approves(after) && !approves(before)) || after.templateId !== before.templateId || worksMore(before, after);

/** "" and null mean none; other text is as IsInstant left it. @throws validation for the past (docs/claims.md rule 8). */
function futureInstant(text: string | null | undefined): Date | null {
  if (!text) return null;
  const at = new Date(text);
  if (at.getTime() <= Date.now()) throw invalid('validUntil', 'lies in the past');
  return at;
}
