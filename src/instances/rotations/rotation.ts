import type { Answers } from '../rollouts/rollout.js';
import type { RotationFilter } from './rotations.dto.js';

/** The kind of job that the rotation of a fleet is. */
export const ROTATION = 'credentials.rotate';

/** Input of the job. */
export interface RotationInput {
  filter: RotationFilter;
  /** The newest site that the filter meant when it was started: what is claimed later has new credentials. */
  upTo: number;
  overlapSeconds: number;
  /** null: as fast as it goes. */
  perMinute: number | null;
  stopAtFailurePercent: number;
}

/** What the job remembers. */
export interface RotationProgress {
  /** `asking`: sites are asked to take another credential. `waiting`: all were asked. `listing`: those that did not take it yet are named. */
  phase: 'asking' | 'waiting' | 'listing';
  /** Sites are asked, and later listed, in the order of their ids, up to this one so far. */
  after: number;
  /** How many were asked, and how many of those have used the next credential since and are named in the results. */
  asked: number;
  rotated: number;
  /** Of what was answered before the last stop nothing stops it again: somebody has resumed it. */
  forgiven: Answers;
}

export const FIRST_STEP: RotationProgress = {
  phase: 'asking',
  after: 0,
  asked: 0,
  rotated: 0,
  forgiven: { applied: 0, failed: 0 },
};

/** How it stands with a site that was asked and did not use the next credential yet. */
export type Standing = 'cannot_take' | 'failed' | 'waiting';

/** Of sites that were asked: how many have rotated, and how it stands with the others. */
export interface RotationCounts {
  rotated: number;
  cannotTake: number;
  failed: number;
  waiting: number;
}
