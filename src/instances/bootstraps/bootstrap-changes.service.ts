import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Bootstrap, type PlacedTemplate, templatesOf, usesOf, warningsOf } from '#bootstrap';
import { nearest } from '#contracts';
import { ApiResult, Db, invalidFields, maySeeSecrets, notFound, type Principal, requireVersion } from '#platform';
import { AuditService } from '../../audit/index.js';
import type { RolloutSettings } from '../rollouts/rollout-settings.js';
import { RolloutsService } from '../rollouts/rollouts.service.js';
import { SecretDelivery } from '../secrets/secret-delivery.js';
import { SecretsService } from '../secrets/secrets.service.js';
import type { BootstrapPlan, BootstrapWarning, DeletedBootstrap, SavedBootstrap } from './bootstrap.dto.js';
import { BootstrapDocuments } from './bootstrap-documents.js';
import { BootstrapsRepository } from './bootstraps.repository.js';

/** Sites that a plan names. */
const NAMED_SITES = 100;

interface Save {
  document: string;
  rollout: RolloutSettings;
  ifMatch: number | undefined;
  /** The revision that somebody goes back to. */
  of?: number;
}

/** Saves bootstrap documents, each as a revision, and goes back to earlier ones (docs/instances.md §1). Locks: secrets, then the profile. */
@Injectable()
export class BootstrapChangesService {
  constructor(
    private readonly db: Db,
    private readonly repository: BootstrapsRepository,
    private readonly documents: BootstrapDocuments,
    private readonly secrets: SecretsService,
    private readonly delivery: SecretDelivery,
    private readonly rollouts: RolloutsService,
    private readonly audit: AuditService,
  ) {}

  /**
   * Makes the document the current revision; one that is the current one already makes none.
   * @throws validation with every problem and its place; permission_denied for secrets that the caller may not use; not_found, precondition_failed;
   * conflict when too many jobs of the organization are not finished
   */
  async save(principal: Principal, orgId: string, profileId: number, save: Save): Promise<ApiResult<SavedBootstrap>> {
    const { document, rollout, ifMatch, of } = save;
    const bootstrap = await this.read(orgId, document);
    return this.db.tx(async (tx) => {
      const secretIds = await this.secretsOf(tx, principal, orgId, profileId, bootstrap, true);
      const profile = await this.repository.lockProfile(tx, orgId, profileId);
      if (!profile) throw notFound('Provisioning profile');
      const current = await this.repository.current(tx, orgId, profileId);
      requireVersion('The bootstrap', ifMatch, current?.revision ?? 0);
      const warnings = await this.warnings(tx, orgId, profileId, bootstrap);
      if (current?.document === document)
        return new ApiResult(
          { profileId, revision: current.revision, rollout: null, warnings },
          { message: 'The bootstrap is this document already', version: current.revision },
        );
      const revision = profile.last + 1;
      await this.repository.insert(tx, { orgId, profileId, revision, document, createdBy: principal.name, secretIds });
      await this.repository.dropOldest(tx, orgId, profileId, revision);
      await this.audit.record(tx, principal, {
        orgId,
        action: of === undefined ? 'bootstrap.save' : 'bootstrap.revert',
        target: { type: 'provisioning_profile', id: profileId },
        details: { revision, ...(of === undefined ? {} : { of }) },
      });
      const job = await this.rollouts.start(tx, principal, orgId, { kind: 'bootstrap', profileId, revision }, rollout);
      return new ApiResult({ profileId, revision, rollout: rolloutOf(job), warnings }, { version: revision });
    });
  }

  /** What `save` would do, and would refuse. */
  async plan(
    principal: Principal,
    orgId: string,
    profileId: number,
    { document, ifMatch }: Pick<Save, 'document' | 'ifMatch'>,
  ): Promise<ApiResult<BootstrapPlan>> {
    const bootstrap = await this.read(orgId, document);
    const em = this.db.manager;
    await this.secretsOf(em, principal, orgId, profileId, bootstrap, false);
    const current = await this.repository.current(em, orgId, profileId);
    requireVersion('The bootstrap', ifMatch, current?.revision ?? 0);
    const names = { before: current ? `revision ${current.revision}` : '/dev/null', after: 'this document' };
    const plan: BootstrapPlan = {
      currentRevision: current?.revision ?? null,
      diff: await this.documents.diff({ source: `org:${orgId}` }, current?.document ?? '', document, names),
      sites: await this.repository.sites(em, orgId, profileId, NAMED_SITES),
      warnings: await this.warnings(em, orgId, profileId, bootstrap),
    };
    return new ApiResult(plan, { status: 200, message: 'Bootstrap planned; nothing was changed' });
  }

  /** Makes the document of an earlier revision the current one again, as a new revision. @throws what `save` does; not_found */
  async revert(
    principal: Principal,
    orgId: string,
    profileId: number,
    revision: number,
    rollout: RolloutSettings,
    ifMatch: number | undefined,
  ): Promise<ApiResult<SavedBootstrap>> {
    const found = await this.repository.find(this.db.manager, orgId, profileId, revision);
    if (!found) throw notFound('Revision of the bootstrap');
    return this.save(principal, orgId, profileId, { document: found.document, rollout, ifMatch, of: revision });
  }

  /** Sites of the profile get empty bundles. The revisions stay. @throws not_found, precondition_failed, conflict */
  async delete(
    principal: Principal,
    orgId: string,
    profileId: number,
    rollout: RolloutSettings,
    ifMatch: number | undefined,
  ): Promise<DeletedBootstrap> {
    return this.db.tx(async (tx) => {
      await this.repository.lockProfile(tx, orgId, profileId);
      const current = await this.repository.current(tx, orgId, profileId);
      if (!current) throw notFound('Bootstrap');
      requireVersion('The bootstrap', ifMatch, current.revision);
      await this.repository.delete(tx, orgId, profileId);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'bootstrap.delete',
        target: { type: 'provisioning_profile', id: profileId },
        details: { revision: current.revision },
      });
      const change = { kind: 'bootstrap', profileId, revision: null } as const;
      return { rollout: rolloutOf(await this.rollouts.start(tx, principal, orgId, change, rollout)) };
    });
  }

  /** @throws validation with every problem and its place; capacity */
  private async read(orgId: string, document: string): Promise<Bootstrap> {
    const { bootstrap, problems } = await this.documents.read({ source: `org:${orgId}` }, document);
    if (!bootstrap) throw refused(problems);
    return bootstrap;
  }

  /** @returns the ids of the secrets that the document names. @throws validation for names of none, permission_denied */
  private async secretsOf(
    em: EntityManager,
    principal: Principal,
    orgId: string,
    profileId: number,
    bootstrap: Bootstrap,
    lock: boolean,
  ): Promise<number[]> {
    const names = usesOf(bootstrap).secrets;
    // First: who may not use secrets does not learn by this which there are.
    if (names.length > 0) this.delivery.assertMay(principal, orgId);
    const named = await this.secrets.named(em, orgId, names, { lock });
    const unknown = templatesOf(bootstrap, 'secret').filter(({ name }) => !named.has(name));
    if (unknown.length > 0) {
      const there = maySeeSecrets(principal, orgId) ? await this.secrets.names(em, orgId) : [];
      throw refused(unknown.map((template) => ({ ...template, message: noSuchSecret(template.name, there) })));
    }
    this.delivery.assertFor(profileId, named.values());
    return [...named.values()].map(({ secretId }) => secretId);
  }

  private async warnings(
    em: EntityManager,
    orgId: string,
    profileId: number,
    bootstrap: Bootstrap,
  ): Promise<BootstrapWarning[]> {
    const needed = templatesOf(bootstrap).filter((template) => template.default === undefined);
    const labels = needed.filter(({ from }) => from === 'label');
    const lacking = await this.repository.lackingLabels(em, orgId, profileId, [
      ...new Set(labels.map(({ name }) => name)),
    ]);
    const warnings = lacking.map(({ name, sites }) =>
      lacks(labels.find((template) => template.name === name)!, `label ${name}`, sites),
    );
    const hardwareId = needed.find(({ from, name }) => from === 'site' && name === 'hardwareId');
    const without = hardwareId ? await this.repository.lackingHardwareId(em, orgId, profileId) : 0;
    if (hardwareId && without > 0) warnings.push(lacks(hardwareId, 'hardwareId', without));
    return [...warningsOf(bootstrap), ...warnings].sort((a, b) => a.line - b.line || a.column - b.column);
  }
}

const rolloutOf = (job: { jobId: number } | null) => job && { jobId: job.jobId };

function lacks({ path, line, column }: PlacedTemplate, what: string, sites: number): BootstrapWarning {
  const message = `${sites === 1 ? 'one site has' : `${sites} sites have`} no ${what}, and cannot get this document`;
  return { path, message, line, column };
}

function noSuchSecret(name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  return `there is no secret ${name}${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

/** At most so many problems are answered. */
const MAX_PROBLEMS = 20;

const refused = (problems: readonly BootstrapWarning[]) =>
  invalidFields(
    problems.slice(0, MAX_PROBLEMS).map(({ path, message, line, column }) => ({
      path: path || 'document',
      problem: line > 0 ? `${message} (line ${line}, column ${column})` : message,
    })),
  );
