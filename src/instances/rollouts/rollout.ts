import type { Action } from '#contracts';
import type { RolloutSettings } from './rollout-settings.js';

/** The kind of job that a rollout is. */
export const ROLLOUT = 'bundles.rollout';

/** A new version of a secret, or a new revision of a profile's bootstrap; null: it was deleted, and sites of the profile get empty bundles. */
export type RolloutChange =
  | { kind: 'secret'; secretId: number; name: string; version: number }
  | { kind: 'bootstrap'; profileId: number; revision: number | null };

/** Input of the job. */
export type RolloutInput = Required<RolloutSettings> & { change: RolloutChange };

/** Sites that answered: how many run with what they were offered, and how many said that it failed. */
export interface Answers {
  applied: number;
  failed: number;
}

/** What the job remembers. */
export interface RolloutProgress {
  /**
   * `canary`: the first sites are offered it, and answer. `others`: all others, and those that come into question meanwhile.
   * `settled`: sites that nobody reached get it too; what was begun before that and ends after it is still looked for.
   */
  phase: 'canary' | 'others' | 'settled';
  /** Sites are offered it in the order of their ids, in the present pass up to this one. */
  after: number;
  offered: number;
  /** Of what was answered before the last stop nothing stops it again: somebody has resumed it. */
  forgiven: Answers;
  /** The transaction that settled it. */
  settledBy?: string;
  /** At its end; later rollouts take its sites over. */
  result?: Answers & { waiting: number };
}

export const FIRST_STEP: RolloutProgress = {
  phase: 'canary',
  after: 0,
  offered: 0,
  forgiven: { applied: 0, failed: 0 },
};

/** A tenth of the sites in a minute, unless told otherwise. */
export function settingsOf(settings: RolloutSettings, sites: number): Required<RolloutSettings> {
  const { canary = 1, perMinute = Math.max(1, Math.ceil(sites / 10)), stopAtFailurePercent = 5 } = settings;
  return { canary, perMinute, stopAtFailurePercent };
}

/** Rollouts of the same thing follow each other. */
export const sameThing = (change: RolloutChange): object =>
  change.kind === 'secret'
    ? { kind: change.kind, secretId: change.secretId }
    : { kind: change.kind, profileId: change.profileId };

/** It goes on as long as who began it may make the change. */
export const actionOf = ({ kind }: RolloutChange): Action =>
  kind === 'secret' ? 'updateSecret' : 'updateProvisioningProfile';

/** @returns why the rollout stops, if too many of those failed that answered since it was last resumed. */
export function tooManyFailed(
  limit: number,
  { applied, failed }: Answers,
  { forgiven }: Pick<RolloutProgress, 'forgiven'>,
): string | undefined {
  // Sites that a later rollout took over do not count here any more.
  const bad = Math.max(0, failed - forgiven.failed);
  const all = bad + Math.max(0, applied - forgiven.applied);
  return bad * 100 > limit * all
    ? `${bad} of ${all} sites that answered have failed; the limit is ${limit} %`
    : undefined;
}
