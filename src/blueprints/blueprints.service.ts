import { isDeepStrictEqual } from 'node:util';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type Blueprint,
  describeProblem,
  OPEN_SITE_TEMPLATES,
  type Problem,
  type PublicEntry,
  type SiteValues,
  toYaml,
  withoutSecrets,
} from '#blueprint';
import {
  AppError,
  conflict,
  Db,
  Hooks,
  invalidFields,
  isUniqueViolation,
  notFound,
  type PageQuery,
  type Principal,
  Retention,
  shapeA,
  TenantResolvers,
  type Turn,
  windowOf,
} from '#platform';
import { RolesService } from '../access/index.js';
import { AuditService } from '../audit/index.js';
import { type Evicted, type ResourceType, ResourceWriter, refusedName, StagedRows } from '../resources/index.js';
import type { BlueprintExport, BlueprintList, BlueprintRecord, OwningKind, PlanView } from './blueprints.dto.js';
import { BlueprintsRepository, type HistoryEntry } from './blueprints.repository.js';
import { type Applicant, owns, type SourceKind } from './current-state.js';
import { CurrentStateRepository } from './current-state.repository.js';
import { DeclarationsRepository } from './declarations.repository.js';
import { Documents } from './documents.js';
import { exportOf } from './export.js';
import { makePlan } from './plan.js';
import type { Plan } from './plan.types.js';
import { PlanExecutor } from './plan-executor.js';
import { rolesIn, withRoleNames } from './role-names.js';
import { Secrets } from './secrets.js';
import { SiteScopedKeys } from './site-scoped-keys.js';

export type SiteKind = Exclude<SourceKind, 'api'>;

export interface Outcome {
  ok: boolean;
  message: string;
  /** `line` and `column` are those of the document as it was sent. */
  problems: { path: string; message: string; line?: number; column?: number }[];
}

const APPLIED = 'Blueprint applied successfully';
const ALREADY = 'Blueprint already applied to this site, nothing was done';
const NO_LABELS = 'Container labels are not taken from this site: its dockerSocketEnabled is false';
const TRIES = 3;
const TYPES: ResourceType[] = ['resource', 'site_resource'];
/** Unique indexes under which two documents, or a document and an operator, may meet. */
const RACES = [
  'resource_full_domain',
  'resource_port',
  'resource_org_id_nice_id_key',
  'site_resource_org_id_nice_id_key',
  'site_resource_alias',
  'site_resource_alias_address',
  'target_internal_port',
];

/** Another site took a key between the look at it and the plan. */
class KeysMoved extends Error {}

/** Blueprints: parse, plan, apply (docs/blueprints.md). Everything of one document happens in one transaction. */
@Injectable()
export class BlueprintsService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: BlueprintsRepository,
    private readonly states: CurrentStateRepository,
    private readonly declarations: DeclarationsRepository,
    private readonly writer: ResourceWriter,
    private readonly staged: StagedRows,
    private readonly applier: PlanExecutor,
    private readonly ownKeys: SiteScopedKeys,
    private readonly secrets: Secrets,
    private readonly documents: Documents,
    private readonly roles: RolesService,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly resolvers: TenantResolvers,
    private readonly retention: Retention,
  ) {}

  onModuleInit(): void {
    this.resolvers.registerNumber('blueprintId', (id) => this.repository.orgOf(this.db.manager, id));
    this.hooks.siteApproved.register((tx, orgId, siteId) => this.activate(tx, orgId, siteId));
    this.hooks.siteSuspended.register((tx, orgId, siteId) => this.suspend(tx, orgId, siteId));
    this.hooks.siteDeleting.register((tx, orgId, siteId) => this.deleteOwned(tx, orgId, siteId));
    this.hooks.onceStagedGone.register((tx, siteIds) => this.repository.forgetOnce(tx, siteIds));
    this.retention.register({ table: 'blueprint', id: 'blueprint_id' });
  }

  /**
   * PUT /org/{orgId}/blueprint: an operator applies a document. What a site's own document declares is not to be changed here.
   * @throws validation with every problem, conflict when somebody else took a name at the same moment.
   */
  async applyFor(principal: Principal, orgId: string, text: string): Promise<void> {
    const model = await this.read(orgId, text);
    const contents = await this.documents.contents(turnOf(orgId), model);
    const hashes = await this.secrets.hash(orgId, model);
    const applicant: Applicant = { orgId, kind: 'api', site: null, sourceId: null };
    const failure = await this.retried(() =>
      this.db.tx(async (tx) => {
        const plan = await this.plan(tx, applicant, model, hashes);
        if (plan.problems.length > 0) return plan.problems;
        let evicted: Evicted[] = [];
        if (plan.changes.length > 0) {
          evicted = await this.applier.run(tx, applicant, plan);
          await this.repository.record(tx, entryOf(applicant, contents(), APPLIED));
        }
        await this.audit.record(tx, principal, {
          orgId,
          action: 'blueprint.apply',
          target: { type: 'org', id: orgId },
          details: auditOf(plan, evicted),
        });
        return null;
      }),
    );
    if (!failure) return;
    await this.refuse(entryOf(applicant, contents(), sentence(failure), false));
    throw refused(failure);
  }

  /** The same without changing anything. @throws validation */
  async planFor(orgId: string, text: string): Promise<PlanView> {
    const model = await this.read(orgId, text);
    const applicant: Applicant = { orgId, kind: 'api', site: null, sourceId: null };
    const hashes = await this.secrets.hash(orgId, model);
    const plan = await this.db.tx((tx) => this.plan(tx, applicant, model, hashes));
    if (plan.problems.length > 0) throw refused(plan.problems);
    return { changes: plan.changes, drift: plan.drift };
  }

  /**
   * A document that a site sends about itself. Problems are an answer, not an error. A bootstrap is applied once per site and remembered
   * here; a repeated one is told so and changes nothing. @throws database_unavailable and what else may pass by itself
   */
  async applyFromSite(orgId: string, siteId: number, kind: SiteKind, document: string): Promise<Outcome> {
    // An agent fills templates in, and so may a value look like one; an unmodified newt leaves in place what it does not know.
    const options = { format: 'auto', literal: kind !== 'newt' } as const;
    const parsed = await this.documents.read(turnOf(orgId, siteId), document, options);
    if (!parsed.ok) return { ok: false, message: describeAll(parsed.problems), problems: parsed.problems };
    const outcome = await this.applyModel(orgId, siteId, kind, parsed.model);
    if (outcome.problems.length === 0) return outcome;
    const places = await this.documents.places(
      turnOf(orgId, siteId),
      document,
      options,
      outcome.problems.map((problem) => problem.path),
    );
    return { ...outcome, problems: outcome.problems.map((problem, i) => ({ ...problem, ...places[i] })) };
  }

  /**
   * A profile's blueprint, once for a site; after it was applied another call changes nothing. What is wrong with it is recorded and not
   * thrown: the claim has happened, and it is tried again when somebody may have mended it. @returns whether nothing is left to do
   */
  async applyProfile(orgId: string, siteId: number, text: string): Promise<boolean> {
    const site = await this.db.tx((tx) => this.repository.lockSite(tx, orgId, siteId));
    if (!site) return true;
    const { name, niceId, hardwareId, labels } = site;
    const values = { name, niceId, hardwareId, labels };
    const parsed = await this.documents.read(turnOf(orgId, siteId), text, { site: values, operators: true });
    if (parsed.ok)
      return (
        await this.applyModel(
          orgId,
          siteId,
          'profile',
          parsed.model,
          await this.fixedEntries(turnOf(orgId, siteId), text, values, parsed.model),
        )
      ).ok;
    const message = describeAll(parsed.problems);
    await this.refuse({
      orgId,
      siteId,
      name: site.name,
      source: 'NEWT',
      kind: 'profile',
      succeeded: false,
      message,
      contents: withoutSecrets(text, OPEN_SITE_TEMPLATES),
    });
    return false;
  }

  async list(_principal: Principal, orgId: string, page: PageQuery): Promise<BlueprintList> {
    const window = windowOf(page, 1000);
    const [blueprints, total] = await this.repository.list(this.db.manager, orgId, window);
    return { blueprints, pagination: shapeA(total, window) };
  }

  /** @throws not_found */
  async get(_principal: Principal, orgId: string, blueprintId: number): Promise<BlueprintRecord> {
    const record = await this.repository.find(this.db.manager, orgId, blueprintId);
    if (!record) throw notFound('Blueprint');
    return record;
  }

  /**
   * GET /site/{siteId}/blueprint: the document that what a site's source owns amounts to, as it is now; edits that an apply would set back are
   * in it. Empty when the site never sent such a document.
   */
  async exportOf(_principal: Principal, orgId: string, siteId: number, kind: OwningKind): Promise<BlueprintExport> {
    return this.db.tx(async (tx) => {
      const sourceId = await this.repository.sourceOf(tx, siteId, kind);
      if (sourceId === null) return { contents: '{}\n' };
      const { owned, names } = await this.states.owned(tx, orgId, sourceId);
      return { contents: toYaml(exportOf(sourceId, owned, names)) };
    });
  }

  /**
   * Which public resources of a profile are the same whatever the site calls itself: a device chooses its name and hardware id, and must not
   * become another resource's target by them.
   */
  private async fixedEntries(turn: Turn, text: string, site: SiteValues, model: Blueprint): Promise<boolean[]> {
    if (!text.includes('{{')) return model.publicResources.map(() => true);
    const { model: other } = await this.documents.read(turn, text, {
      site: { ...site, name: 'any-other', hardwareId: 'any-other' },
      operators: true,
    });
    const described = (entry: PublicEntry | undefined) => entry && { ...entry, targets: [] };
    return model.publicResources.map((entry, i) =>
      isDeepStrictEqual(described(entry), described(other?.publicResources[i])),
    );
  }

  private async applyModel(
    orgId: string,
    siteId: number,
    kind: SiteKind,
    model: Blueprint,
    operators: boolean[] = [],
  ): Promise<Outcome> {
    let sender: Applicant | undefined;
    const contents = await this.documents.contents(turnOf(orgId, siteId), model);
    const problems = await this.retried<Outcome['problems'] | Outcome | null>(async () => {
      const keyed = await this.ownKeys.of(this.db.manager, orgId, siteId, model);
      const hashes = await this.secrets.hash(orgId, keyed.model, siteId);
      return this.db.tx(async (tx) => {
        const site = await this.repository.lockSite(tx, orgId, siteId);
        if (!site) throw notFound('Site');
        if (kind === 'labels' && !site.dockerSocketEnabled) return { ok: false, message: NO_LABELS, problems: [] };
        const known = await this.repository.sourceOf(tx, siteId, kind);
        if (known !== null && !owns(kind)) return { ok: true, message: ALREADY, problems: [] };
        // What a source owns is told by its row, so it is there before the plan.
        const sourceId = known ?? (owns(kind) ? await this.repository.rememberSource(tx, orgId, siteId, kind) : null);
        const operatorsKeys = new Set(
          keyed.model.publicResources.flatMap((entry, i) => (operators[i] ? [entry.key] : [])),
        );
        const applicant: Applicant = { orgId, kind, site, sourceId, operatorsKeys };
        sender = applicant;
        const plan = await this.plan(tx, applicant, keyed.model, hashes);
        if (plan.problems.length > 0 && !keyed.sameAs(await this.ownKeys.of(tx, orgId, siteId, model)))
          throw new KeysMoved();
        if (!owns(kind) && plan.problems.length === 0) await this.repository.rememberSource(tx, orgId, siteId, kind);
        if (sourceId !== null)
          await this.repository.propose(tx, sourceId, plan.problems.length > 0 ? plan.proposed : null);
        if (plan.problems.length > 0)
          return plan.problems.map(({ path, message }) => ({ path: keyed.asSaid(path), message }));
        if (plan.changes.length > 0) await this.carryOut(tx, applicant, contents(), plan);
        else if (plan.redeclares) await this.applier.run(tx, applicant, plan);
        return null;
      });
    }).catch((error: unknown) => {
      // Somebody else has a name, or there is no address left: the agent tries again.
      if (error instanceof AppError && (error.code === 'conflict' || error.code === 'capacity'))
        return [{ path: '', message: error.message }];
      throw error;
    });
    if (!problems) return { ok: true, message: APPLIED, problems: [] };
    if (!Array.isArray(problems)) return problems;
    await this.refuse(entryOf(sender!, contents(), sentence(problems), false));
    return { ok: false, message: sentence(problems), problems };
  }

  /** @throws validation with every problem and its place */
  private async read(orgId: string, text: string): Promise<Blueprint> {
    const parsed = await this.documents.read(turnOf(orgId), text, { format: 'auto', operators: true });
    if (parsed.ok) return parsed.model;
    throw refused(
      parsed.problems.map((p) => ({
        path: p.path,
        message: p.line > 0 ? `${p.message} (line ${p.line}, column ${p.column})` : p.message,
      })),
    );
  }

  private async plan(
    tx: EntityManager,
    applicant: Applicant,
    model: Blueprint,
    hashes: Awaited<ReturnType<Secrets['hash']>>,
  ): Promise<Plan> {
    const said = withRoleNames(model, await this.roles.asMade(tx, applicant.orgId, rolesIn(model)));
    return makePlan(said, applicant, await this.states.load(tx, applicant, said), hashes);
  }

  private async carryOut(tx: EntityManager, applicant: Applicant, contents: string, plan: Plan): Promise<void> {
    const evicted = await this.applier.run(tx, applicant, plan);
    await this.repository.record(tx, entryOf(applicant, contents, APPLIED));
    const { site, orgId, kind } = applicant;
    await this.audit.record(
      tx,
      { authority: { kind: 'site', orgId }, kind: 'site', id: String(site!.siteId), name: site!.name, address: null },
      {
        orgId,
        action: 'blueprint.apply',
        target: { type: 'site', id: site!.siteId },
        details: { kind, ...auditOf(plan, evicted) },
      },
    );
  }

  private async activate(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    for (const type of TYPES)
      await this.staged.activate(tx, orgId, type, siteId, await this.declarations.ownedBy(tx, orgId, siteId, type));
    const grants = await this.declarations.takeStagedGrants(tx, siteId);
    if (grants.length === 0) return;
    const roles = await this.roles.ensure(tx, orgId, [...new Set(grants.map((grant) => grant.roleName))]);
    for (const type of TYPES) {
      const pairs = grants.flatMap(({ type: of, id, roleName }) => {
        const roleId = roles.get(roleName);
        return of === type && roleId !== undefined ? [{ id, roleId }] : [];
      });
      await this.writer.addRoles(tx, type, pairs);
    }
  }

  private async suspend(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    for (const type of TYPES)
      await this.staged.disable(tx, orgId, type, await this.declarations.ownedBy(tx, orgId, siteId, type));
  }

  /** Resources that only this site's documents declare, and that no other site serves, go with it. */
  private async deleteOwned(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    for (const type of TYPES) {
      const owned = await this.declarations.ownedBy(tx, orgId, siteId, type);
      const alone = await this.declarations.servedAlone(tx, siteId, type, owned);
      await this.writer.delete(tx, orgId, type, alone);
    }
  }

  /** Somebody who takes a name at the same moment makes the plan wrong, not the document: it is made again. */
  private async retried<T>(attempted: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await attempted();
      } catch (error) {
        if (
          !(error instanceof KeysMoved) &&
          !RACES.some((index) => isUniqueViolation(error, index)) &&
          !refusedName(error)
        )
          throw error;
        if (attempt === TRIES) throw conflict('A name, alias or port of the blueprint is in use elsewhere');
      }
    }
  }

  /** Under the site's lock: of two that say the same one is written. */
  private async refuse(entry: HistoryEntry): Promise<void> {
    await this.db.tx(async (tx) => {
      if (entry.siteId !== null) await this.repository.lockSite(tx, entry.orgId, entry.siteId);
      await this.repository.record(tx, entry);
    });
  }
}

function entryOf({ orgId, site, kind }: Applicant, contents: string, message: string, succeeded = true): HistoryEntry {
  return {
    orgId,
    siteId: site?.siteId ?? null,
    name: site?.name ?? 'API',
    source: kind === 'api' ? 'API' : 'NEWT',
    kind,
    succeeded,
    message,
    contents,
  };
}

/** Operators' documents, and those of sites, which take turns among themselves. */
const turnOf = (orgId: string, siteId?: number): Turn =>
  siteId === undefined ? { source: `org:${orgId}` } : { source: `sites:${orgId}`, name: String(siteId) };

const auditOf = (plan: Plan, evicted: Evicted[]) => ({
  changes: plan.changes.length,
  ...(evicted.length > 0 ? { gaveWay: evicted } : {}),
});

const SHOWN = 20;
const describeAll = (problems: Problem[]) => problems.slice(0, SHOWN).map(describeProblem).join('; ');
const sentence = (problems: { path: string; message: string }[]) =>
  `Blueprint applied with errors: ${problems
    .slice(0, SHOWN)
    .map((p) => (p.path ? `${p.path}: ${p.message}` : p.message))
    .join('; ')}`;

/** In words that clients know (docs/integration-api.md §3.13). */
function refused(problems: { path: string; message: string }[]): AppError {
  return invalidFields(
    problems.map((p) => ({ path: p.path, problem: p.message })),
    'Failed to update database from config: Error: ',
  );
}
