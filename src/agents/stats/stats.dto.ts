import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsString } from 'class-validator';
import { IsInstant, MayBeAbsent } from '#platform';

export const METRICS = ['claims', 'refusals', 'approvals', 'connects', 'disconnects', 'online'] as const;
export type Metric = (typeof METRICS)[number];

export const BUCKETS = ['minute', 'hour', 'day'] as const;
export type Bucket = (typeof BUCKETS)[number];

export class StatsQuery {
  @IsIn(METRICS) @ApiProperty({ enum: METRICS }) metric: Metric;
  @IsIn(BUCKETS) @ApiProperty({ enum: BUCKETS }) bucket: Bucket;
  /** Instant from which on, in ISO 8601, without a zone in UTC [60 minutes, 24 hours or 30 days before `to`]. */
  @MayBeAbsent() @IsInstant() @IsString() @ApiPropertyOptional({ type: 'string', format: 'date-time' }) from?: string;
  /** Instant before which [now]. */
  @MayBeAbsent() @IsInstant() @IsString() @ApiPropertyOptional({ type: 'string', format: 'date-time' }) to?: string;
}

export class StatsPoint {
  /** The beginning of the bucket, in UTC. */
  at: Date;
  /** How many in it; of `online` how many sites on average, null where nobody counted. */
  value: number | null;
  /** Of `online`: the fewest in it. */
  min: number | null;
  /** Of `online`: the most in it. */
  max: number | null;
}

export class StatsView {
  @ApiProperty({ enum: METRICS }) metric: Metric;
  @ApiProperty({ enum: BUCKETS }) bucket: Bucket;
  /** The whole buckets in which `from` and `to` lie, at most 1,000, the empty ones too. */
  from: Date;
  to: Date;
  @ApiProperty({ enum: ['UTC'] }) timeZone: 'UTC';
  points: StatsPoint[];
}
