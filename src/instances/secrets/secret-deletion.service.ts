import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  ApiResult,
  conflict,
  Db,
  type DeletionQuery,
  foreseen,
  inUse,
  notFound,
  type Principal,
  requireVersion,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { BundlesService } from '../bundles/bundles.service.js';
import type { SecretUsers } from './secret.dto.js';
import { forced, isUsed, NOBODY } from './secret-users.js';
import { SecretUsersRepository } from './secret-users.repository.js';
import { type SecretRow, SecretsRepository } from './secrets.repository.js';

/** Secrets and versions that go, and who holds them back (docs/instances.md §2). */
@Injectable()
export class SecretDeletionService {
  constructor(
    private readonly db: Db,
    private readonly repository: SecretsRepository,
    private readonly users: SecretUsersRepository,
    private readonly bundles: BundlesService,
    private readonly audit: AuditService,
  ) {}

  /**
   * By force sites that are offered it are offered the current one at once.
   * @returns the users for `dryRun`, else null. @throws not_found, precondition_failed; conflict for the current version, and with the users while it is in use
   */
  async destroyVersion(
    principal: Principal,
    orgId: string,
    name: string,
    version: number,
    { dryRun, force }: DeletionQuery,
    ifMatch: number | undefined,
  ): Promise<ApiResult<SecretUsers | null>> {
    return this.db.tx(async (tx) => {
      const secret = await this.lock(tx, orgId, name, ifMatch);
      const { secretId, current } = secret;
      const found = await this.repository.version(tx, secretId, version);
      if (!found || found.destroyed) throw notFound('Secret version');
      const { secretVersionId } = found;
      const sites = await this.users.sites(tx, orgId, [secretVersionId]);
      const users = { ...NOBODY, sites };
      if (dryRun) return foreseen(users);
      if (version === current)
        throw conflict(`Version ${version} is the current one; add another first, or delete the secret`);
      if (!force && sites.total > 0) throw inUse(`Version ${version} of the secret ${name} is in use`, users);
      if (!force && version === secret.settled)
        throw inUse(`Sites get version ${version} of the secret ${name} until a rollout has ended`, users);
      if (version === secret.settled) await this.repository.settle(tx, secretId, current);
      await this.repository.destroy(tx, secretId, [secretVersionId]);
      const { secretVersionId: newest } = (await this.repository.version(tx, secretId, current))!;
      await this.bundles.offer(
        tx,
        orgId,
        await this.users.offered(tx, orgId, [secretVersionId]),
        (inputs) => ({
          ...inputs,
          secrets: { ...inputs.secrets, [name]: { secretId, secretVersionId: newest, version: current } },
        }),
        null,
      );
      await this.done(tx, principal, orgId, 'secret.destroy_version', name, { version, ...forced(force, users) });
      return new ApiResult(null);
    });
  }

  /**
   * By force what names it stays as it is: sites of these profiles get no bundle until it is made again, or their bootstrap is changed.
   * @returns the users for `dryRun`, else null. @throws not_found, precondition_failed; conflict with the users while it is in use
   */
  async delete(
    principal: Principal,
    orgId: string,
    name: string,
    { dryRun, force }: DeletionQuery,
    ifMatch: number | undefined,
  ): Promise<ApiResult<SecretUsers | null>> {
    return this.db.tx(async (tx) => {
      const { secretId } = await this.lock(tx, orgId, name, ifMatch);
      const ids = await this.users.versionIds(tx, secretId);
      const users = {
        profiles: await this.users.profiles(tx, orgId, secretId, true),
        sites: await this.users.sites(tx, orgId, ids),
      };
      if (dryRun) return foreseen(users);
      const used = isUsed(users);
      if (used && !force) throw inUse(`The secret ${name} is in use`, users);
      if (!used) await this.repository.delete(tx, secretId);
      else {
        await this.repository.destroy(tx, secretId);
        await this.repository.bury(tx, secretId);
      }
      await this.done(tx, principal, orgId, 'secret.delete', name, forced(force, users));
      return new ApiResult(null);
    });
  }

  private async lock(tx: EntityManager, orgId: string, name: string, ifMatch: number | undefined): Promise<SecretRow> {
    const row = await this.repository.lock(tx, orgId, name);
    if (!row) throw notFound('Secret');
    requireVersion('The secret', ifMatch, row.rowVersion);
    return row;
  }

  private async done(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    action: string,
    name: string,
    details: Record<string, unknown>,
  ): Promise<void> {
    await this.audit.record(tx, principal, { orgId, action, target: { type: 'secret', id: name }, details });
  }
}
