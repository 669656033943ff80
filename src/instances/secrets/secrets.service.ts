import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  ApiResult,
  type Columns,
  conflict,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  foreseen,
  Hooks,
  inUse,
  KeyRing,
  notFound,
  nothingToChange,
  OrgExports,
  type PageQuery,
  type Principal,
  requireVersion,
  type SearchQuery,
  shapeA,
  shapeB,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import type {
  AddSecretVersionBody,
  CreateSecretBody,
  SecretDetails,
  SecretList,
  SecretUsers,
  SecretVersionAnswer,
  SecretView,
  UpdateSecretBody,
  UpdateSecretQuery,
} from './secret.dto.js';
import { SecretChanges } from './secret-changes.js';
import { SecretDelivery } from './secret-delivery.js';
import { forced, isUsed } from './secret-users.js';
import { SecretUsersRepository } from './secret-users.repository.js';
import { bytesOf, secretAbout } from './secret-value.js';
import { type NamedSecret, type SecretRow, SecretsRepository } from './secrets.repository.js';

/** Names and versions, as the list has them: no value. */
const COLUMNS: Columns<SecretView> = {
  name: true,
  orgId: true,
  version: true,
  settledVersion: true,
  profileIds: true,
  createdAt: true,
  changedAt: true,
};

/** Secrets and their versions (docs/instances.md §2). What deletes them is `SecretDeletionService`. */
@Injectable()
export class SecretsService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: SecretsRepository,
    private readonly users: SecretUsersRepository,
    private readonly changes: SecretChanges,
    private readonly delivery: SecretDelivery,
    private readonly keys: KeyRing,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
    private readonly hooks: Hooks,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('secrets', 'listSecrets', ({ orgId }) => this.all(orgId));
    this.hooks.profileDeleting.register((tx, orgId, profileId) => this.repository.forgetProfile(tx, orgId, profileId));
    // They mean something only within what the path names before them.
    this.resolvers.register('name', (_value, _principal, orgId) =>
      Promise.resolve(orgId === undefined ? null : { orgId }),
    );
    this.resolvers.registerNumber('version', (_version, orgId) => Promise.resolve(orgId ?? null));
  }

  /** @throws conflict when it is there; permission_denied without `useSecret` when it was in use as it was deleted; validation, not_found for a profile. */
  async create(principal: Principal, orgId: string, body: CreateSecretBody): Promise<ApiResult<SecretVersionAnswer>> {
    const { name, profileIds = null } = body;
    const value = bytesOf(body.value, body.encoding);
    return this.db.tx(async (tx) => {
      await this.assertProfiles(tx, orgId, profileIds);
      const made = await this.repository.insert(tx, orgId, name, profileIds);
      if (!made) throw conflict(`The secret ${name} is there already; add a version to it`);
      await this.store(tx, principal, made, value);
      // It was in use when it was deleted: documents name it, and their sites start with this value.
      if (made.version > 1) {
        this.delivery.assertMay(principal, orgId);
        const left = { before: null, after: profileIds };
        const [naming] = (await this.users.profiles(tx, orgId, made.secretId, true, left)).profiles;
        if (naming) {
          const profile = `${naming.name} (${naming.profileId})`;
          throw conflict(`The bootstrap of the profile ${profile} names the secret ${name}`);
        }
      }
      await this.audit.record(tx, principal, {
        orgId,
        action: 'secret.create',
        target: { type: 'secret', id: name },
        details: { version: made.version, ...(profileIds ? { profileIds } : {}) },
      });
      return new ApiResult({ name, version: made.version }, { version: made.rowVersion });
    });
  }

  /**
   * The new version goes to sites by a rollout; where none is offered an earlier one, it is settled at once.
   * @throws not_found, precondition_failed, validation
   */
  async addVersion(
    principal: Principal,
    orgId: string,
    name: string,
    body: AddSecretVersionBody,
    ifMatch: number | undefined,
  ): Promise<ApiResult<SecretVersionAnswer>> {
    const value = bytesOf(body.value, body.encoding);
    return this.db.tx(async (tx) => {
      const { secretId } = await this.lock(tx, orgId, name, ifMatch);
      const earlier = await this.users.versionIds(tx, secretId);
      const { version, rowVersion } = await this.repository.next(tx, secretId);
      await this.store(tx, principal, { secretId, version }, value);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'secret.add_version',
        target: { type: 'secret', id: name },
        details: { version },
      });
      if (await this.users.isOffered(tx, orgId, earlier))
        await this.changes.versionAdded.run(tx, principal, orgId, { secretId, name, version }, body.rollout ?? {});
      else await this.repository.settle(tx, secretId, version);
      return new ApiResult({ name, version }, { version: rowVersion });
    });
  }

  async list(
    _principal: Principal,
    orgId: string,
    search: SearchQuery,
    format?: ExportFormat,
  ): Promise<SecretList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId, search.query));
    const window = windowOf(search, 20);
    const { secrets, total } = await this.repository.list(
      this.db.manager,
      orgId,
      search.query,
      search.order === 'desc',
      window,
    );
    return { secrets, pagination: shapeB(total, window) };
  }

  private all(orgId: string, search?: string): ExportSource<SecretView, string> {
    return {
      name: 'secrets',
      columns: COLUMNS,
      page: (after, limit) => this.repository.after(this.db.manager, orgId, search, after, limit),
      keyOf: ({ name }) => name,
    };
  }

  /** @throws not_found */
  async get(_principal: Principal, orgId: string, name: string, page: PageQuery): Promise<ApiResult<SecretDetails>> {
    const em = this.db.manager;
    const window = windowOf(page, 1000);
    const found = await this.repository.find(em, orgId, name);
    if (!found) throw notFound('Secret');
    const ids = await this.users.versionIds(em, found.secretId);
    const newest = (await this.repository.version(em, found.secretId, found.version))!;
    const [versions, total, counts, profiles, outstanding] = await Promise.all([
      this.repository.versions(em, found.secretId, window),
      this.repository.countVersions(em, found.secretId),
      this.users.counts(em, orgId, ids),
      this.users.profiles(em, orgId, found.secretId, false),
      this.users.sites(em, orgId, ids, newest.secretVersionId),
    ]);
    const details: SecretDetails = {
      ...viewOf(found),
      usedBySites: counts.total,
      versions: versions.map(({ secretVersionId, ...version }) => ({
        ...version,
        current: version.version === found.version,
        usedBySites: counts.byVersion.get(secretVersionId) ?? 0,
      })),
      pagination: shapeA(total, window),
      profiles,
      outstanding,
    };
    return new ApiResult(details, { version: found.rowVersion });
  }

  /**
   * By force sites of profiles that are left out are offered a bundle at once that cannot be made until their documents do without it.
   * @returns for `dryRun` the users that would be left out
   * @throws conflict with these users; permission_denied without `useSecret` for a profile that has named it and gets it; not_found for a profile
   * too; precondition_failed
   */
  async update(
    principal: Principal,
    orgId: string,
    name: string,
    { profileIds }: UpdateSecretBody,
    { dryRun, force }: UpdateSecretQuery,
    ifMatch: number | undefined,
  ): Promise<ApiResult<SecretView | SecretUsers>> {
    if (profileIds === undefined) throw nothingToChange();
    return this.db.tx(async (tx) => {
      const { secretId, profileIds: before } = await this.lock(tx, orgId, name, ifMatch);
      await this.assertProfiles(tx, orgId, profileIds);
      const ids = await this.users.versionIds(tx, secretId);
      const [narrowed, widened] = [
        { before, after: profileIds },
        { before: profileIds, after: before },
      ];
      const users: SecretUsers = {
        profiles: await this.users.profiles(tx, orgId, secretId, true, narrowed),
        sites: await this.users.sitesLeftOut(tx, orgId, ids, narrowed),
      };
      if (dryRun) return foreseen(users, 'Nothing was changed; the secret would not be for these any more');
      if (!force && isUsed(users))
        throw inUse(`Profiles that the secret ${name} would not be for any more use it`, users, 'takes it from them');
      if ((await this.users.profiles(tx, orgId, secretId, false, widened)).total > 0)
        this.delivery.assertMay(principal, orgId);
      await this.repository.setProfiles(tx, secretId, profileIds);
      if (users.sites.total > 0)
        await this.changes.profilesChanged.run(tx, orgId, await this.users.offered(tx, orgId, ids));
      await this.audit.record(tx, principal, {
        orgId,
        action: 'secret.update',
        target: { type: 'secret', id: name },
        details: { fields: ['profileIds'], ...forced(force, users) },
      });
      const found = (await this.repository.find(tx, orgId, name))!;
      return new ApiResult(viewOf(found), { version: found.rowVersion });
    });
  }

  /**
   * The values of these versions, for a bundle of the profile that is about to be sealed: they go nowhere else.
   * @throws conflict when one was destroyed, is not for the profile, or is none of the organization's; what KeyRing throws for a row that was changed
   */
  async values(
    em: EntityManager,
    orgId: string,
    profileId: number | null,
    secretVersionIds: number[],
  ): Promise<Map<number, Buffer>> {
    if (secretVersionIds.length === 0) return new Map();
    const rows = await this.repository.stored(em, orgId, profileId, secretVersionIds);
    if (rows.length < new Set(secretVersionIds).size)
      throw conflict('A version of a secret that is needed here was destroyed, or is not for this profile any more');
    return new Map(
      rows.map(({ secretVersionId, secretId, version, ...stored }) => [
        secretVersionId,
        this.keys.decryptApart(stored, secretAbout(secretId, version)),
      ]),
    );
  }

  /** The secrets of these names that there are. `lock`: they stay as they are until the transaction ends, so that a document may name them. */
  async named(
    em: EntityManager,
    orgId: string,
    names: string[],
    { lock = false } = {},
  ): Promise<Map<string, NamedSecret>> {
    if (names.length === 0) return new Map();
    const rows = await this.repository.named(em, orgId, names, lock);
    return new Map(rows.map((row) => [row.name, row]));
  }

  /** The names of all secrets, for who has mistyped one. */
  async names(em: EntityManager, orgId: string): Promise<string[]> {
    return this.repository.names(em, orgId);
  }

  private async store(
    tx: EntityManager,
    principal: Principal,
    { secretId, version }: { secretId: number; version: number },
    value: Buffer,
  ): Promise<void> {
    const sealed = this.keys.encryptApart(value, secretAbout(secretId, version));
    await this.repository.insertVersion(tx, secretId, version, sealed, principal.name);
  }

  private async lock(tx: EntityManager, orgId: string, name: string, ifMatch: number | undefined): Promise<SecretRow> {
    const row = await this.repository.lock(tx, orgId, name);
    if (!row) throw notFound('Secret');
    requireVersion('The secret', ifMatch, row.rowVersion);
    return row;
  }

  private async assertProfiles(tx: EntityManager, orgId: string, profileIds: number[] | null): Promise<void> {
    if (!profileIds || profileIds.length === 0) return;
    if ((await this.repository.countProfiles(tx, orgId, profileIds)) < profileIds.length)
      throw notFound('Provisioning profile');
  }
}

function viewOf(found: SecretView): SecretView {
  const { name, orgId, version, settledVersion, profileIds, createdAt, changedAt } = found;
  return { name, orgId, version, settledVersion, profileIds, createdAt, changedAt };
}
