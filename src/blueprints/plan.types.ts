import type { ColumnValues } from '../resources/index.js';
import type { Part, Proposal } from './current-state.js';

/** One thing that applying a document would do, for people and for the history. */
export interface Change {
  action: 'create' | 'update' | 'delete';
  type: 'public-resource' | 'private-resource' | 'target' | 'rule' | 'site' | 'role';
  key: string;
  /** Names of what changes. */
  fields: string[];
}

/** An owned field that somebody changed since; applying sets it back. */
export interface DriftedField {
  type: 'public-resource' | 'private-resource';
  key: string;
  field: string;
  file: unknown;
  current: unknown;
}

export interface PlanProblem {
  path: string;
  message: string;
}

export interface Grants {
  /** Names of roles; those without an id are made. */
  roles: string[];
  userIds: string[];
}

/** What becomes of one resource; `id` null: it is made. */
export interface PublicStep {
  key: string;
  id: number | null;
  /** Columns to insert, or those that change; null: the row stays as it is. */
  columns: ColumnValues | null;
  /** What this source declares from now on; null: nothing. */
  declared: ColumnValues | null;
  newTargets: ColumnValues[];
  changedTargets: { id: number; columns: ColumnValues }[];
  goneTargets: Part[];
  newRules: ColumnValues[];
  changedRules: { id: number; columns: ColumnValues }[];
  goneRules: number[];
  /** The document speaks of access, and this source decides it. */
  saysGrants: boolean;
  grants: (Grants & { emails: string[] }) | null;
}

export interface PrivateStep {
  key: string;
  id: number | null;
  columns: ColumnValues | null;
  declared: ColumnValues | null;
  siteIds: number[];
  /** Sites before and after, when they differ or the row changes. */
  touchedSites: number[];
  sitesChanged: boolean;
  saysGrants: boolean;
  grants: (Grants & { clientIds: number[] }) | null;
}

export interface Plan {
  changes: Change[];
  drift: DriftedField[];
  problems: PlanProblem[];
  publicSteps: PublicStep[];
  privateSteps: PrivateStep[];
  siteSteps: { siteId: number; fields: { name?: string; dockerSocketEnabled?: boolean } }[];
  /** Keys that the source declared before and declares no longer; a resource that others declare too stays. */
  dropped: { publicKeys: string[]; privateKeys: string[] };
  strayTargets: { id: number; siteId: number }[];
  strayRules: number[];
  /** Rows staged for another site that hold what this document wants: they are deleted first. */
  evicted: { publicIds: number[]; privateIds: number[] };
  /** What a document that is refused wants of resources that it shares, by the column of the id and the id. */
  proposed: Record<'resource_id' | 'site_resource_id', Record<number, Proposal>>;
  /** Names that one resource of the document leaves to another one: they are freed first. */
  transferredNames: { table: 'resource' | 'site_resource'; column: 'full_domain' | 'alias'; id: number }[];
  /** Nothing changes, but what the document declares is not what it declared before. */
  redeclares: boolean;
}
