import { Injectable, Logger } from '@nestjs/common';
import {
  type Blueprint,
  containersAt,
  describeProblem,
  type LabelledContainer,
  namedByLabels,
  type Parsed,
} from '#blueprint';
import { AppError, Db, unavailable } from '#platform';
import { BlueprintsRepository } from './blueprints.repository.js';
import type { DocumentKeys } from './current-state.js';
import { type Attempt, DocumentApplier, type Outcome } from './document-applier.js';
import { Documents } from './documents.js';
import { APPLIED } from './history.service.js';
import { sentence, turnOf } from './outcomes.js';

type Problems = Outcome['problems'];

/** A document whose parts have nothing to do with each other: none is to stand in the way of the others. */
interface Parts {
  names: string[];
  /** The document of some of the parts, without the resources that are left out; `wrong`: parts that cannot be read. */
  read(parts: string[], leftOut: DocumentKeys): Promise<{ parsed: Parsed; wrong: string[] }>;
  /** The parts that say what stands at these places. */
  at(parts: string[], paths: string[]): string[][];
  /** What a part names; `partial`: keys of which it says targets only. undefined: nobody can tell. */
  named(part: string): (DocumentKeys & { partial: string[] }) | undefined;
  /** A problem with the name of its part, if the document does not show it. */
  tell(part: string, problem: Problems[number]): Problems[number];
}

interface Tried {
  outcome: Outcome;
  /** What is wrong with which parts, as far as places tell. */
  blamed: Map<string, Problems>;
  attempt: Attempt | null;
}

const NOTHING: DocumentKeys = { resource: [], site_resource: [] };
const UNTRIED: Problems = [{ path: '', message: 'it was not tried, since too many others are refused' }];
/** Attempts that the search for refused parts may take: enough for a hundred parts, whichever are refused. Each costs what the document costs. */
const MAX_ATTEMPTS = 200;

/**
 * Labels of containers (docs/blueprints.md "Container labels", docs/adr/0035). One container's labels never block the others', whatever refuses
 * them: it is named, what the server has of it stays as it is, and the others are applied.
 */
@Injectable()
export class LabelDocuments {
  private readonly logger = new Logger(LabelDocuments.name);

  constructor(
    private readonly db: Db,
    private readonly repository: BlueprintsRepository,
    private readonly applier: DocumentApplier,
    private readonly documents: Documents,
  ) {}

  /** The containers that run at a site, those without labels of ours left out. @throws database_unavailable and what else may pass by itself */
  async applyContainers(orgId: string, siteId: number, containers: LabelledContainer[]): Promise<Outcome> {
    // A machine that never had a label needs no source that remembers them.
    if (containers.length === 0 && (await this.repository.sourceOf(this.db.manager, siteId, 'labels')) === null)
      return { ok: true, message: APPLIED, problems: [] };
    const byName = new Map(containers.map((one) => [one.name, one]));
    const of = (names: string[]) => names.map((name) => byName.get(name)!);
    return this.applyParts(orgId, siteId, {
      names: [...byName.keys()],
      read: async (names, leftOut) => {
        const { parsed, wrong } = await this.documents.fromLabels(turnOf(orgId, siteId), of(names));
        return { parsed: parsed.ok ? { ...parsed, model: without(parsed.model, leftOut) } : parsed, wrong };
      },
      at: (names, paths) => containersAt(of(names), paths),
      named: (name) => {
        const named = namedByLabels(byName.get(name)!);
        return named && { resource: named.publicKeys, site_resource: named.privateKeys, partial: named.parts };
      },
      tell: (name, problem) =>
        problem.message.startsWith('container')
          ? problem
          : {
              path: '',
              message: `container ${JSON.stringify(name)}: ${describeProblem({ line: 0, column: 0, ...problem })}`,
            },
    });
  }

  /** The same as one document of an agent that does not name its containers: each resource is a part. @throws as `applyContainers` */
  async applyModel(orgId: string, siteId: number, model: Blueprint): Promise<Outcome> {
    const entries = new Map<string, Partial<DocumentKeys>>();
    for (const { key } of model.publicResources) entries.set(`public-resources.${key}`, { resource: [key] });
    for (const { key } of model.privateResources) entries.set(`private-resources.${key}`, { site_resource: [key] });
    for (const { key } of model.sites) entries.set(`sites.${key}`, {});
    const isIn = (path: string, name: string) =>
      path === name || (path.startsWith(name) && /^[.[]/.test(path.slice(name.length)));
    return this.applyParts(orgId, siteId, {
      names: [...entries.keys()],
      read: async (names) => ({ parsed: { ok: true, model: only(model, new Set(names)), problems: [] }, wrong: [] }),
      at: (names, paths) =>
        paths.map((path) =>
          // Keys may hold dots: of two that the path begins with the longer one is meant.
          names
            .filter((name) => isIn(path, name))
            .sort((a, b) => b.length - a.length)
            .slice(0, 1),
        ),
      named: (name) => ({ ...NOTHING, ...entries.get(name), partial: [] }),
      tell: (_name, problem) => problem,
    });
  }

  private async applyParts(orgId: string, siteId: number, parts: Parts): Promise<Outcome> {
    const refused = new Map<string, Problems>();
    const attempts = { left: MAX_ATTEMPTS };
    for (;;) {
      const taken = parts.names.filter((name) => !refused.has(name));
      const tried = await this.attempt(orgId, siteId, parts, taken, refused);
      const { outcome, attempt } = tried;
      if (outcome.ok && refused.size === 0) return outcome;
      if (outcome.ok) {
        const problems = [...refused].flatMap(([name, list]) => list.map((problem) => parts.tell(name, problem)));
        await attempt!.recordRefusal(sentence(problems));
        return { ok: false, message: sentence(problems), problems };
      }
      // Not the document's fault.
      if (outcome.problems.length === 0) return outcome;
      const blamed =
        tried.blamed.size > 0 ? tried.blamed : await this.isolate(orgId, siteId, parts, refused, [], taken, attempts);
      if (blamed.size === 0) {
        await attempt?.recordRefusal(outcome.message);
        return outcome;
      }
      for (const [name, problems] of blamed) refused.set(name, problems);
    }
  }

  /**
   * What is refused without a place is looked for by halves: each part that the good ones cannot be applied with. Nothing is removed meanwhile.
   * Parts that are left when the attempts are used up are refused untried.
   */
  private async isolate(
    orgId: string,
    siteId: number,
    parts: Parts,
    refused: Map<string, Problems>,
    good: string[],
    suspects: string[],
    attempts: { left: number },
  ): Promise<Map<string, Problems>> {
    if (attempts.left-- <= 0) return new Map(suspects.map((name) => [name, UNTRIED]));
    const { outcome } = await this.attempt(orgId, siteId, parts, [...good, ...suspects], refused, true);
    if (outcome.ok || outcome.problems.length === 0 || suspects.length === 0) return new Map();
    if (suspects.length === 1) return new Map([[suspects[0]!, outcome.problems]]);
    const [first, second] = [suspects.slice(0, suspects.length / 2), suspects.slice(suspects.length / 2)];
    const bad = await this.isolate(orgId, siteId, parts, refused, good, first, attempts);
    const better = [...good, ...first.filter((name) => !bad.has(name))];
    return new Map([...bad, ...(await this.isolate(orgId, siteId, parts, refused, better, second, attempts))]);
  }

  private async attempt(
    orgId: string,
    siteId: number,
    parts: Parts,
    taken: string[],
    refused: Map<string, Problems>,
    keepAll = false,
  ): Promise<Tried> {
    const { kept, leftOut } = stays(parts, [...refused.keys()]);
    const { parsed, wrong } = await parts.read(taken, leftOut);
    if (!parsed.ok) {
      const outcome = { ok: false, message: sentence(parsed.problems), problems: parsed.problems };
      const named = (name: string) => parsed.problems.filter(({ message }) => message.includes(JSON.stringify(name)));
      return { outcome, attempt: null, blamed: new Map(wrong.map((name) => [name, named(name)])) };
    }
    const options = keepAll ? { kept: 'all' as const } : kept === undefined ? {} : { kept };
    let attempt: Attempt;
    try {
      attempt = await this.applier.apply(orgId, siteId, 'labels', parsed.model, options);
    } catch (error) {
      if (unavailable(error) || error instanceof AppError) throw error;
      this.logger.error({ err: error, siteId }, 'Container labels could not be applied');
      const problems = [{ path: '', message: 'it cannot be applied' }];
      return { outcome: { ok: false, message: sentence(problems), problems }, attempt: null, blamed: new Map() };
    }
    const { outcome } = attempt;
    const blamed = new Map<string, Problems>();
    const places = parts.at(
      taken,
      outcome.problems.map(({ path }) => path),
    );
    for (const [i, problem] of outcome.problems.entries())
      for (const name of problem.path === '' ? [] : places[i]!)
        blamed.set(name, [...(blamed.get(name) ?? []), problem]);
    return { outcome, attempt, blamed };
  }
}

/**
 * What stays as it is beside refused parts: all that they name. A resource of which they say more than targets is left out of the document
 * altogether, or it might come to be without what protects it.
 */
function stays(parts: Parts, refused: string[]): { kept: 'all' | DocumentKeys | undefined; leftOut: DocumentKeys } {
  const named = refused.map((name) => parts.named(name));
  const known = named.filter((one) => one !== undefined);
  const keys = (pick: (one: (typeof known)[number]) => string[]) => [...new Set(known.flatMap(pick))];
  const kept = { resource: keys((one) => one.resource), site_resource: keys((one) => one.site_resource) };
  const whole = new Set(known.flatMap((one) => one.resource.filter((key) => !one.partial.includes(key))));
  return {
    kept: refused.length === 0 ? undefined : known.length < named.length ? 'all' : kept,
    leftOut: { resource: [...whole], site_resource: kept.site_resource },
  };
}

const without = (model: Blueprint, { resource, site_resource }: DocumentKeys): Blueprint => ({
  ...model,
  publicResources: model.publicResources.filter(({ key }) => !resource.includes(key)),
  privateResources: model.privateResources.filter(({ key }) => !site_resource.includes(key)),
});

const only = (model: Blueprint, names: ReadonlySet<string>): Blueprint => ({
  publicResources: model.publicResources.filter(({ key }) => names.has(`public-resources.${key}`)),
  privateResources: model.privateResources.filter(({ key }) => names.has(`private-resources.${key}`)),
  sites: model.sites.filter(({ key }) => names.has(`sites.${key}`)),
});
