import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Counter } from 'prom-client';
import type { EntityManager } from 'typeorm';
import { CredentialSuccession } from '../../access/index.js';
import { type ItemResult, JobHandlers, type JobInHand, type StepResult } from '../../jobs/index.js';
import { SiteReads } from '../../sites/index.js';
import { tooManyFailed } from '../rollouts/rollout.js';
import { FIRST_STEP, ROTATION, type RotationInput, type RotationProgress, type Standing } from './rotation.js';
import { RotationsRepository } from './rotations.repository.js';
import { selectionOf } from './rotations.service.js';

type Job = JobInHand<RotationInput, RotationProgress>;
type Step = StepResult<RotationProgress>;

/** Asked by one statement. */
const SITES_OF_STEP = 100;
/** Named in the results by one step. */
const RESULTS_OF_STEP = 1_000;
/** Seconds between looks at what sites have answered. */
const LOOK_AGAIN = 1;

/** What is said of sites that did not use the next credential by the end of the job. */
const WHY: Record<Standing, string> = {
  cannot_take: 'Its program cannot take another credential: an unmodified newt, or an older agent',
  failed: 'It was handed the next credential and is connected, but has not used it for 15 minutes',
  waiting: 'It takes the next credential when it connects or renews',
};

const asked = new Counter({
  name: 'gatehouse_rotation_sites_asked_total',
  help: 'Sites that jobs asked to take another credential',
});

/** The steps of rotations: which sites are asked next, whether it goes on, and what came of them (docs/credentials.md §3, ADR 0068). */
@Injectable()
export class RotationJobs implements OnModuleInit {
  constructor(
    private readonly handlers: JobHandlers,
    private readonly repository: RotationsRepository,
    private readonly succession: CredentialSuccession,
    private readonly reads: SiteReads,
  ) {}

  onModuleInit(): void {
    this.handlers.register<RotationInput, RotationProgress>(ROTATION, {
      action: 'updateSite',
      stepItems: SITES_OF_STEP,
      step: (tx, job, items) => this.step(tx, job, items),
    });
  }

  private async step(tx: EntityManager, job: Job, items: number): Promise<Step> {
    const before = job.progress ?? FIRST_STEP;
    if (before.phase === 'listing') return this.list(tx, job, before);
    const rotated = await this.succession.takeProofs(tx, job.jobId, 0, RESULTS_OF_STEP);
    const progress = { ...before, rotated: before.rotated + rotated.length };
    const results = rotated.map(rotatedResult);
    const answers = { applied: progress.rotated, failed: await this.repository.failed(tx, job.jobId) };
    const message = tooManyFailed(job.input.stopAtFailurePercent, answers, progress);
    if (message !== undefined)
      // Resumed, it goes on with the other sites, and counts failures anew.
      return {
        progress: { ...progress, forgiven: answers },
        results,
        done: false,
        pause: { code: 'stopped', message },
      };
    if (progress.phase === 'asking') return this.ask(tx, job, progress, results, items);
    if (rotated.length > 0 || (await this.repository.isAwaiting(tx, job.jobId)))
      return { progress, results, done: false, waitSeconds: rotated.length < RESULTS_OF_STEP ? LOOK_AGAIN : 0 };
    return { progress: { ...progress, phase: 'listing', after: 0 }, results, done: false, waitSeconds: 0 };
  }

  private async ask(
    tx: EntityManager,
    { jobId, orgId, input }: Job,
    progress: RotationProgress,
    results: ItemResult[],
    items: number,
  ): Promise<Step> {
    const { filter, upTo, overlapSeconds, perMinute } = input;
    const selection = { ...selectionOf(filter), after: progress.after, upTo };
    const siteIds = await this.reads.ids(tx, orgId, selection, items);
    const last = siteIds.at(-1);
    if (last === undefined)
      return { progress: { ...progress, phase: 'waiting' }, results, done: false, waitSeconds: 0 };
    const standing = await this.succession.requestRotations(tx, orgId, siteIds, overlapSeconds, jobId);
    asked.inc(standing.length);
    return {
      progress: { ...progress, after: last, asked: progress.asked + standing.length },
      results,
      done: false,
      waitSeconds: perMinute === null ? 0 : (siteIds.length * 60) / perMinute,
    };
  }

  /** Names those that did not use it. Each once: who uses it after they were named is counted where rotations are listed. */
  private async list(tx: EntityManager, { jobId }: Job, progress: RotationProgress): Promise<Step> {
    const { after } = progress;
    const rotated = await this.succession.takeProofs(tx, jobId, after, RESULTS_OF_STEP);
    const pending = rotated.length > 0 ? [] : await this.repository.pending(tx, jobId, after, RESULTS_OF_STEP);
    const named = pending.map(
      ({ siteId, standing }): ItemResult => ({
        item: String(siteId),
        outcome: standing,
        failed: standing === 'failed',
        message: WHY[standing],
      }),
    );
    return {
      progress: { ...progress, rotated: progress.rotated + rotated.length, after: pending.at(-1)?.siteId ?? after },
      results: [...rotated.map(rotatedResult), ...named],
      done: rotated.length === 0 && pending.length < RESULTS_OF_STEP,
      waitSeconds: 0,
    };
  }
}

const rotatedResult = (siteId: number): ItemResult => ({
  item: String(siteId),
  outcome: 'rotated',
  failed: false,
  message: null,
});
