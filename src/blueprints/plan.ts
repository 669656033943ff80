import type { Blueprint } from '#blueprint';
import { type Applicant, type CurrentState, type Hashes, keeps, prunes } from './current-state.js';
import { Drift } from './drift.js';
import { Ownership } from './ownership.js';
import type { Change, Grants, Plan } from './plan.types.js';
import { type LocalTargetRules, PlanContext, type RawPortRules } from './plan-context.js';
import { PrivatePlan } from './private-plan.js';
import { PublicPlan } from './public-plan.js';

/**
 * Compares a document with what is there (docs/blueprints.md). Pure: the same document, applicant and state make the same plan. A plan
 * with problems is not to be applied; one without changes has nothing to do.
 */
export function makePlan(
  model: Blueprint,
  applicant: Applicant,
  state: CurrentState,
  hashes: Hashes,
  localTargets: LocalTargetRules,
  rawPorts: RawPortRules,
): Plan {
  const context = new PlanContext(model, applicant, state, localTargets, rawPorts);
  const drift = new Drift(context);
  const ownership = new Ownership(context, drift);
  const publicPlan = new PublicPlan(context, ownership, drift, hashes);
  const privatePlan = new PrivatePlan(context, ownership, drift);
  const { changes, problems, names } = context;
  const siteSteps = model.sites.flatMap((entry) => siteStep(context, entry) ?? []);
  const publicSteps = model.publicResources
    .map((entry) => (entry.targetsOnly ? publicPlan.targetsOnly(entry.key, entry.targets) : publicPlan.resource(entry)))
    .filter((step) => step !== undefined);
  const privateSteps = model.privateResources
    .map((entry) => privatePlan.resource(entry))
    .filter((step) => step !== undefined);
  const transferredNames = names.transferredNames(publicSteps, privateSteps);
  const dropped = names.dropped();
  const gone = prunes(applicant);
  const { mine } = state;
  const isStray = ({ key }: { key: string }) => !dropped.publicKeys.includes(key) && !keeps(applicant, 'resource', key);
  const strayTargets = gone ? mine.strayTargets.filter(isStray) : [];
  const strayRules = gone ? mine.strayRules.filter(isStray) : [];
  for (const { key } of strayTargets) changes.push({ action: 'delete', type: 'target', key, fields: [] });
  for (const { key } of strayRules) changes.push({ action: 'delete', type: 'rule', key, fields: [] });
  newRoles(context, [...publicSteps, ...privateSteps]);
  const redeclares =
    changes.length === 0 &&
    (drift.redeclares ||
      (gone && applicant.kept === undefined && mine.strayParts) ||
      [...publicSteps, ...privateSteps].some((step) => step.declared !== null));
  return {
    redeclares,
    changes,
    drift: drift.fields,
    problems,
    publicSteps,
    privateSteps,
    siteSteps,
    dropped,
    evicted: names.evicted,
    proposed: ownership.proposed,
    transferredNames,
    strayTargets,
    strayRules: strayRules.map((r) => r.id),
  };
}

/** Roles that the document names and nobody has made. For a site that waits they are made on its approval. */
function newRoles(context: PlanContext, steps: { grants: Grants | null }[]): void {
  if (context.applicant.site?.pending) return;
  const names = new Set(
    steps.flatMap((step) => step.grants?.roles ?? []).filter((name) => !context.state.roles.has(name)),
  );
  context.changes.unshift(...[...names].map((key): Change => ({ action: 'create', type: 'role', key, fields: [] })));
}

/** What becomes of a site itself; undefined: nothing, or there is a problem. */
function siteStep(
  context: PlanContext,
  { key, name, dockerSocketEnabled }: Blueprint['sites'][number],
): Plan['siteSteps'][number] | undefined {
  const path = `sites.${key}`;
  const found = (context.state.sites.get(key) ?? []).find((s) => s.niceId === key);
  if (!found) return context.problem(path, 'there is no site with this niceId');
  const own = context.applicant.site;
  if (own && own.siteId !== found.siteId) return context.problem(path, 'a site describes itself only');
  const fields = {
    ...(found.name === name ? {} : { name }),
    ...(found.dockerSocketEnabled === dockerSocketEnabled ? {} : { dockerSocketEnabled }),
  };
  if (Object.keys(fields).length === 0) return undefined;
  context.changes.push({ action: 'update', type: 'site', key, fields: Object.keys(fields) });
  return { siteId: found.siteId, fields };
}
