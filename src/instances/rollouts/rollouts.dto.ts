import { ApiProperty, PickType } from '@nestjs/swagger';
import { OffsetPagination } from '#platform';
import { JobItem } from '../../jobs/index.js';

const KINDS = ['secret', 'bootstrap'] as const;

/** What is brought to sites. */
export class RolloutChangeView {
  @ApiProperty({ enum: KINDS }) kind: (typeof KINDS)[number];
  /** Name of the secret. */
  secret: string | null;
  /** The profile of the bootstrap. */
  profileId: number | null;
  /** Version of the secret, or revision of the bootstrap; null when that was deleted, and its sites get empty bundles. */
  version: number | null;
}

/** A rollout. Of its sites those are counted that no later rollout has reached, until it ends; then as they were. */
export class RolloutView extends PickType(JobItem, [
  'jobId',
  'status',
  'createdBy',
  'createdAt',
  'startedAt',
  'finishedAt',
  'error',
] as const) {
  change: RolloutChangeView;
  canary: number;
  perMinute: number | null;
  @ApiProperty({ type: 'number', format: 'double' }) stopAtFailurePercent: number;
  /** Sites that it concerned when it began. */
  total: number;
  /** Sites that it has reached. */
  offered: number;
  /** Of those: they run with it. */
  applied: number;
  /** They could not, and were given back what they ran with before. */
  failed: number;
  /** They did not answer yet. */
  waiting: number;
}

export class RolloutList {
  rollouts: RolloutView[];
  pagination: OffsetPagination;
}
