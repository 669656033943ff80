import { Injectable } from '@nestjs/common';
import { type Blueprint, toYaml } from '#blueprint';
import { type AppError, Db, invalidFields, type Principal } from '#platform';
import { AuditService } from '../audit/index.js';
import type { Evicted } from '../resources/index.js';
import type { BlueprintExport, BlueprintRecord, OwningKind, PlanView } from './blueprints.dto.js';
import { BlueprintsRepository } from './blueprints.repository.js';
import type { Applicant } from './current-state.js';
import { CurrentStateRepository } from './current-state.repository.js';
import { Documents } from './documents.js';
import { exportOf } from './export.js';
import { HistoryService, type Said } from './history.service.js';
import { auditOf, sentence, turnOf } from './outcomes.js';
import { PlanExecutor } from './plan-executor.js';
import { PlanningService, retried } from './planning.service.js';
import { Secrets } from './secrets.js';

/** What operators do with blueprints: plan, apply, export (docs/blueprints.md). Everything of one document happens in one transaction. */
@Injectable()
export class BlueprintsService {
  constructor(
    private readonly db: Db,
    private readonly repository: BlueprintsRepository,
    private readonly states: CurrentStateRepository,
    private readonly planning: PlanningService,
    private readonly executor: PlanExecutor,
    private readonly history: HistoryService,
    private readonly secrets: Secrets,
    private readonly documents: Documents,
    private readonly audit: AuditService,
  ) {}

  /**
   * PUT /org/{orgId}/blueprint: an operator applies a document. What a site's own document declares is not to be changed here.
   * `said`: what the history calls it; then there is a row in any case. @returns that row. @throws validation with every problem, conflict when somebody else took a name at the same moment.
   */
  async applyFor(principal: Principal, orgId: string, text: string, said?: Said): Promise<BlueprintRecord | null> {
    const model = await this.read(orgId, text);
    const contents = await this.documents.contents(turnOf(orgId), model);
    const hashes = await this.secrets.hash(orgId, model);
    const applicant: Applicant = { orgId, kind: 'api', site: null, sourceId: null };
    let recordId: number | null = null;
    const failure = await retried(() =>
      this.db.tx(async (tx) => {
        const plan = await this.planning.plan(tx, applicant, model, hashes);
        if (plan.problems.length > 0) return plan.problems;
        let evicted: Evicted[] = [];
        if (plan.changes.length > 0) evicted = await this.executor.run(tx, applicant, plan);
        if (plan.changes.length > 0 || said) recordId = await this.history.applied(tx, applicant, contents(), said);
        await this.audit.record(tx, principal, {
          orgId,
          action: 'blueprint.apply',
          target: { type: 'org', id: orgId },
          details: auditOf(plan, evicted),
        });
        return null;
      }),
    );
    if (!failure) return said && recordId !== null ? this.history.get(principal, orgId, recordId) : null;
    await this.history.refused(applicant, contents(), sentence(failure), said);
    throw refused(failure);
  }

  /** The same without changing anything. @throws validation */
  async planFor(orgId: string, text: string): Promise<PlanView> {
    const model = await this.read(orgId, text);
    const applicant: Applicant = { orgId, kind: 'api', site: null, sourceId: null };
    const hashes = await this.secrets.hash(orgId, model);
    const plan = await this.db.tx((tx) => this.planning.plan(tx, applicant, model, hashes));
    if (plan.problems.length > 0) throw refused(plan.problems);
    return { changes: plan.changes, drift: plan.drift };
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
      return { contents: toYaml(exportOf(sourceId, siteId, owned, names)) };
    });
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
}

/** In words that clients know (docs/integration-api.md §3.13). */
function refused(problems: { path: string; message: string }[]): AppError {
  return invalidFields(
    problems.map((p) => ({ path: p.path, problem: p.message })),
    'Failed to update database from config: Error: ',
  );
}
