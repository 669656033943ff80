import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Blueprint, OPEN_SITE_TEMPLATES, type PublicEntry, type SiteValues, withoutSecrets } from '#blueprint';
import { AppError, Db, notFound, type Turn } from '#platform';
import { AuditService } from '../audit/index.js';
import { BlueprintsRepository } from './blueprints.repository.js';
import { ClaimDocuments } from './claim-documents.js';
import { type Applicant, owns, type SourceKind } from './current-state.js';
import { Documents } from './documents.js';
import { APPLIED, HistoryService } from './history.service.js';
import { auditOf, describeAll, sentence, turnOf } from './outcomes.js';
import type { Plan } from './plan.types.js';
import { PlanExecutor } from './plan-executor.js';
import { PlanningService, PlanOutdated, retried } from './planning.service.js';
import { Secrets } from './secrets.js';
import { SiteScopedKeys } from './site-scoped-keys.js';

export type SiteKind = Exclude<SourceKind, 'api'>;

export interface Outcome {
  ok: boolean;
  message: string;
  /** `line` and `column` are those of the document as it was sent. */
  problems: { path: string; message: string; line?: number; column?: number }[];
}

const ALREADY = 'Blueprint already applied to this site, nothing was done';
const NO_LABELS = 'Container labels are not taken from this site: its dockerSocketEnabled is false';

/** Documents of sites: those that they send about themselves, and those of their profiles (docs/blueprints.md). */
@Injectable()
export class SiteDocumentsService {
  constructor(
    private readonly db: Db,
    private readonly repository: BlueprintsRepository,
    private readonly planning: PlanningService,
    private readonly executor: PlanExecutor,
    private readonly history: HistoryService,
    private readonly keys: SiteScopedKeys,
    private readonly secrets: Secrets,
    private readonly documents: Documents,
    private readonly claims: ClaimDocuments,
    private readonly audit: AuditService,
  ) {}

  /**
   * A document that a site sends about itself. Problems are an answer, not an error. A bootstrap is applied once per site and remembered
   * here; a repeated one is told so and changes nothing.
   * @param claiming of a newt: on the session of its claim (docs/newt.md §2.8)
   * @throws database_unavailable and what else may pass by itself
   */
  async applyFromSite(
    orgId: string,
    siteId: number,
    kind: SiteKind,
    document: string,
    claiming = false,
  ): Promise<Outcome> {
    // An agent fills templates in, and so may a value look like one; an unmodified newt leaves in place what it does not know.
    const options = { format: 'auto', literal: kind !== 'newt' } as const;
    const parsed = await this.documents.read(turnOf(orgId, siteId), document, options);
    if (!parsed.ok) return { ok: false, message: describeAll(parsed.problems), problems: parsed.problems };
    const outcome = await this.applyModel(orgId, siteId, kind, parsed.model, { claiming });
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
        await this.applyModel(orgId, siteId, 'profile', parsed.model, {
          operators: await this.fixedEntries(turnOf(orgId, siteId), text, values, parsed.model),
        })
      ).ok;
    const message = describeAll(parsed.problems);
    await this.history.refuse({
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
    { operators = [], claiming = false }: { operators?: boolean[]; claiming?: boolean } = {},
  ): Promise<Outcome> {
    let sender: Applicant | undefined;
    const contents = await this.documents.contents(turnOf(orgId, siteId), model);
    const problems = await retried<Outcome['problems'] | Outcome | null>(async () => {
      const keyed = await this.keys.of(this.db.manager, orgId, siteId, model);
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
        const applicant: Applicant = { orgId, kind, site, sourceId, operatorsKeys, claiming };
        sender = applicant;
        if (kind === 'newt') await this.claims.take(tx, applicant, sourceId!, keyed.model);
        const plan = await this.planning.plan(tx, applicant, keyed.model, hashes);
        if (plan.problems.length > 0 && !keyed.sameAs(await this.keys.of(tx, orgId, siteId, model)))
          throw new PlanOutdated();
        if (!owns(kind) && plan.problems.length === 0) await this.repository.rememberSource(tx, orgId, siteId, kind);
        if (sourceId !== null)
          await this.repository.propose(tx, sourceId, plan.problems.length > 0 ? plan.proposed : null);
        if (plan.problems.length > 0)
          return plan.problems.map(({ path, message }) => ({ path: keyed.asSaid(path), message }));
        if (plan.changes.length > 0) await this.carryOut(tx, applicant, contents(), plan);
        else if (plan.redeclares) await this.executor.run(tx, applicant, plan);
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
    await this.history.refused(sender!, contents(), sentence(problems));
    return { ok: false, message: sentence(problems), problems };
  }

  private async carryOut(tx: EntityManager, applicant: Applicant, contents: string, plan: Plan): Promise<void> {
    const evicted = await this.executor.run(tx, applicant, plan);
    await this.history.applied(tx, applicant, contents);
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
}
