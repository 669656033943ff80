import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Counter } from 'prom-client';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../../audit/index.js';
import { type ItemResult, JobHandlers, type JobInHand, type StepResult } from '../../jobs/index.js';
import type { BundleInputs } from '../bundles/bundle-inputs.js';
import { BundlesService } from '../bundles/bundles.service.js';
import { SecretChanges } from '../secrets/secret-changes.js';
import {
  type Answers,
  actionOf,
  FIRST_STEP,
  ROLLOUT,
  type RolloutChange,
  type RolloutInput,
  type RolloutProgress,
  tooManyFailed,
} from './rollout.js';
import { RolloutsRepository } from './rollouts.repository.js';
import { RolloutsService } from './rollouts.service.js';

type Job = JobInHand<RolloutInput, RolloutProgress>;
type Step = StepResult<RolloutProgress>;

/** Offered by one statement, after one count of what was answered. */
const SITES_OF_STEP = 100;
/** Seconds between looks at what sites have answered. */
const LOOK_AGAIN = 1;

const offered = new Counter({
  name: 'gatehouse_rollout_sites_offered_total',
  help: 'Sites that rollouts offered a new version of their bundle',
});

/** The steps of rollouts: which sites are offered the change next, and whether it goes on (docs/instances.md §5, ADR 0050). */
@Injectable()
export class RolloutJobs implements OnModuleInit {
  constructor(
    private readonly handlers: JobHandlers,
    private readonly repository: RolloutsRepository,
    private readonly bundles: BundlesService,
    private readonly events: EventsService,
    private readonly rollouts: RolloutsService,
    private readonly secrets: SecretChanges,
  ) {}

  onModuleInit(): void {
    this.handlers.register<RolloutInput, RolloutProgress>(ROLLOUT, {
      action: ({ change }) => actionOf(change),
      stepItems: SITES_OF_STEP,
      step: (tx, job, items) => this.step(tx, job, items),
    });
    this.secrets.versionAdded.register(async (tx, principal, orgId, secret, settings) => {
      await this.rollouts.start(tx, principal, orgId, { kind: 'secret', ...secret }, settings);
    });
  }

  private async step(tx: EntityManager, job: Job, items: number): Promise<Step> {
    const { jobId, orgId, input } = job;
    const progress = job.progress ?? FIRST_STEP;
    if (!(await this.repository.stands(tx, orgId, input.change))) return { progress, results: [], done: true };
    if (progress.phase === 'settled') return this.lookBehind(tx, job, progress, items);
    const answers = await this.repository.answers(tx, jobId);
    const failure = tooManyFailed(input.stopAtFailurePercent, answers, progress);
    if (failure !== undefined) return this.stop(tx, job, progress, answers, failure);
    if (progress.phase === 'canary') {
      const canary = await this.canary(tx, job, progress, answers, items);
      if (canary) return canary;
    }
    return this.others(tx, job, { ...progress, phase: 'others' }, items);
  }

  /** @returns undefined once the first sites have answered, or are away. */
  private async canary(
    tx: EntityManager,
    job: Job,
    progress: RolloutProgress,
    answers: Answers,
    items: number,
  ): Promise<Step | undefined> {
    const { jobId, orgId, input } = job;
    const missing = Math.min(items, input.canary - progress.offered);
    if (missing > 0) {
      const chosen = await this.repository.canaries(tx, orgId, jobId, input.change, missing);
      if (chosen.length > 0) return { ...(await this.offer(tx, job, progress, chosen)), waitSeconds: 0 };
    }
    if (await this.repository.isAwaiting(tx, jobId)) return waiting(progress);
    const silent = await this.repository.silent(tx, jobId);
    if (silent > 0)
      return this.stop(tx, job, progress, answers, `${silent} of the first sites are connected and do not answer`);
    return undefined;
  }

  private async others(tx: EntityManager, job: Job, progress: RolloutProgress, items: number): Promise<Step> {
    const { jobId, orgId, input } = job;
    // Between two passes: looking for further sites reads all that it concerns, which is not done each second while others are waited for.
    if (progress.after === 0 && (await this.repository.isAwaiting(tx, jobId))) return waiting(progress);
    const chosen = await this.repository.next(tx, orgId, jobId, input.change, progress.after, items);
    if (chosen.length > 0) return this.offer(tx, job, { ...progress, after: chosen.at(-1)! }, chosen);
    // Sites came into question meanwhile, also behind: with an older id, or by a document that names the secret since.
    if (progress.after > 0) return { progress: { ...progress, after: 0 }, results: [], done: false, waitSeconds: 0 };
    const settledBy = await this.repository.settle(tx, input.change);
    if (settledBy === undefined) return waiting(progress);
    return { progress: { ...progress, phase: 'settled', settledBy }, results: [], done: false, waitSeconds: 0 };
  }

  /** Until nobody can commit any more what they read before it was settled. */
  private async lookBehind(tx: EntityManager, job: Job, progress: RolloutProgress, items: number): Promise<Step> {
    const { jobId, orgId, input } = job;
    if (!(await this.repository.isPast(tx, progress.settledBy!))) return waiting(progress);
    const chosen = await this.repository.next(tx, orgId, jobId, input.change, 0, items);
    if (chosen.length > 0) return this.offer(tx, job, progress, chosen);
    const counts = (await this.repository.counts(tx, [jobId])).get(jobId) ?? { applied: 0, failed: 0, waiting: 0 };
    await this.events.emit(tx, {
      orgId,
      type: 'rollout.finished',
      data: { jobId, change: input.change, offered: progress.offered, ...counts },
    });
    return { progress: { ...progress, result: counts }, results: [], done: true };
  }

  private async offer(tx: EntityManager, job: Job, progress: RolloutProgress, siteIds: number[]): Promise<Step> {
    const { jobId, orgId, input } = job;
    const change = await this.changeOf(tx, input.change);
    offered.inc(await this.bundles.offer(tx, orgId, siteIds, change, jobId));
    const results = siteIds.map(
      (siteId): ItemResult => ({ item: String(siteId), outcome: 'offered', failed: false, message: null }),
    );
    return { progress: { ...progress, offered: progress.offered + siteIds.length }, results, done: false };
  }

  /** Each rollout changes its own part of what a bundle is made from: several at once do not undo each other. */
  private async changeOf(tx: EntityManager, change: RolloutChange): Promise<(inputs: BundleInputs) => BundleInputs> {
    if (change.kind === 'bootstrap') {
      const { profileId, revision } = change;
      return (inputs) => (inputs.profileId === profileId ? { ...inputs, revision } : inputs);
    }
    const { secretId, name, version } = change;
    const secretVersionId = await this.repository.secretVersionId(tx, secretId, version);
    return (inputs) =>
      inputs.secrets[name]?.secretId === secretId
        ? { ...inputs, secrets: { ...inputs.secrets, [name]: { secretId, secretVersionId, version } } }
        : inputs;
  }

  /** Resumed, it goes on with the other sites, and counts failures anew. */
  private async stop(
    tx: EntityManager,
    { jobId, orgId, input }: Job,
    progress: RolloutProgress,
    answers: Answers,
    message: string,
  ): Promise<Step> {
    await this.events.emit(tx, {
      orgId,
      type: 'rollout.stopped',
      data: { jobId, change: input.change, offered: progress.offered, ...answers, reason: message },
    });
    return {
      progress: { ...progress, phase: 'others', forgiven: answers },
      results: [],
      done: false,
      pause: { code: 'stopped', message },
    };
  }
}

const waiting = (progress: RolloutProgress): Step => ({ progress, results: [], done: false, waitSeconds: LOOK_AGAIN });
