import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { type LastingKind, MayBeAbsent, OffsetPagination, PageQuery } from '#platform';

const STATUSES = ['queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof STATUSES)[number];
const CREATORS: LastingKind[] = ['user', 'api_key', 'root_key', 'system'];

export class ListJobsQuery extends PageQuery {
  @MayBeAbsent() @IsIn(STATUSES) @ApiPropertyOptional({ enum: STATUSES }) status?: JobStatus;
}

/** With whose authority the job acts, as far as they still have it. */
export class JobCreator {
  @ApiProperty({ enum: CREATORS }) type: LastingKind;
  id: string | null;
  name: string;
}

/** Why a job failed, or paused by itself. */
export class JobError {
  /** `permission_denied`: its creator is gone, or may not do this any more. */
  code: string;
  message: string;
}

/** A job in a list: without its input, which may be long. */
export class JobItem {
  jobId: number;
  orgId: string;
  /** What it does, such as `sites.decide`. */
  kind: string;
  /** What it does to each, where its kind does one of several things: the `action` of `sites.act`, the `decision` of `sites.decide`. */
  act: string | null;
  @ApiProperty({ enum: STATUSES }) status: JobStatus;
  /** How many items it has; null while nobody knows. */
  total: number | null;
  /** How many items it went through, whatever came of them. */
  done: number;
  /** How many of those failed. */
  failed: number;
  /** Items per second at most; null: as fast as it goes. */
  @ApiProperty({ type: 'number', format: 'double', nullable: true }) pace: number | null;
  createdBy: JobCreator;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
  error: JobError | null;
}

export class JobView extends JobItem {
  /** What was asked for. */
  @ApiProperty({ type: 'object', additionalProperties: true }) input: object;
}

export class JobList {
  jobs: JobItem[];
  pagination: OffsetPagination;
}

export class JobResult {
  /** Id of what it is about. */
  item: string;
  outcome: string;
  failed: boolean;
  message: string | null;
}

export class JobDetails extends JobView {
  /** In the order in which they came about. */
  results: JobResult[];
  /** Of the results. */
  pagination: OffsetPagination;
}
