import { describeProblem, type Problem } from '#blueprint';
import type { Turn } from '#platform';
import type { Evicted } from '../resources/index.js';
import type { Plan } from './plan.types.js';

/** Operators' documents, and those of sites, which take turns among themselves. */
export const turnOf = (orgId: string, siteId?: number): Turn =>
  siteId === undefined ? { source: `org:${orgId}` } : { source: `sites:${orgId}`, name: String(siteId) };

/** What the audit says of a document that was applied. */
export const auditOf = (plan: Plan, evicted: Evicted[]) => ({
  changes: plan.changes.length,
  ...(evicted.length > 0 ? { gaveWay: evicted } : {}),
});

/** Problems of a document that one sentence tells. */
const SHOWN = 20;

/** Why a document cannot be read, with places in it. */
export const describeAll = (problems: Problem[]) => problems.slice(0, SHOWN).map(describeProblem).join('; ');

/** Why a document cannot be applied. */
export const sentence = (problems: { path: string; message: string }[]) =>
  `Blueprint applied with errors: ${problems
    .slice(0, SHOWN)
    .map((p) => (p.path ? `${p.path}: ${p.message}` : p.message))
    .join('; ')}`;
