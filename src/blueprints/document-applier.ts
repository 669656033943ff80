import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Blueprint } from '#blueprint';
import { AppError, Db, notFound } from '#platform';
import { AuditService } from '../audit/index.js';
import { BlueprintsRepository } from './blueprints.repository.js';
import { ClaimDocuments } from './claim-documents.js';
import { type Applicant, type DocumentKeys, owns, type SourceKind } from './current-state.js';
import { Documents } from './documents.js';
import { APPLIED, HistoryService } from './history.service.js';
import { auditOf, sentence, turnOf } from './outcomes.js';
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

export interface Attempt {
  outcome: Outcome;
  /** Writes into the history that the document, or a part of it, was refused. */
  recordRefusal(message: string): Promise<void>;
}

export interface ApplyOptions {
  /** Of a profile: which entries are the same for every site. */
  operators?: boolean[];
  /** Of a newt: on the session of its claim. */
  claiming?: boolean;
  /** Of labels: what stays as it is although the document does not name it. */
  kept?: 'all' | DocumentKeys;
}

const ALREADY = 'Blueprint already applied to this site, nothing was done';
const NO_LABELS = 'Container labels are not taken from this site: its dockerSocketEnabled is false';

/** Applies a document of a site, as a whole or not at all, in one transaction. */
@Injectable()
export class DocumentApplier {
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

  /** A refusal is an answer; the caller has it recorded. @throws not_found, database_unavailable and what else may pass by itself */
  async apply(
    orgId: string,
    siteId: number,
    kind: SiteKind,
    model: Blueprint,
    { operators = [], claiming = false, kept }: ApplyOptions = {},
  ): Promise<Attempt> {
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
        const applicant: Applicant = {
          orgId,
          kind,
          site,
          sourceId,
          operatorsKeys,
          claiming,
          ...(kept === undefined ? {} : { kept: kept === 'all' ? kept : underBothKeys(kept, site.niceId) }),
        };
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
    return {
      outcome: outcomeOf(problems),
      recordRefusal: (message) => this.history.refused(sender!, contents(), message),
    };
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

function outcomeOf(problems: Outcome['problems'] | Outcome | null): Outcome {
  if (problems === null) return { ok: true, message: APPLIED, problems: [] };
  return Array.isArray(problems) ? { ok: false, message: sentence(problems), problems } : problems;
}

/** As the document says a key, and as the site's own resource has it where the key is another's. */
function underBothKeys({ resource, site_resource }: DocumentKeys, niceId: string): DocumentKeys {
  const both = (keys: string[]) => keys.flatMap((key) => [key, `${key}-${niceId}`]);
  return { resource: both(resource), site_resource: both(site_resource) };
}
