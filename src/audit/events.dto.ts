import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { EVENT_TYPES, type EventType } from '#contracts';
import { IsInstant, QueryInt } from '#platform';

export class EventQuery {
  /** Cursor of the last event that was read; `now`: from here on; absent: from the beginning. */
  @IsOptional() @IsString() @MaxLength(64) after?: string;
  @QueryInt(1, 1000) limit?: number;
  @IsOptional() @IsIn(EVENT_TYPES) type?: EventType;
}

/** What the feed can be narrowed by; all of them combine. */
export class EventFilterQuery extends EventQuery {
  @QueryInt(1, Number.MAX_SAFE_INTEGER) siteId?: number;
  /** As the event tells it. */
  @IsOptional() @IsString() @MaxLength(128) hardwareId?: string;
  /** Source address, as the event tells it. */
  @IsOptional() @IsString() @MaxLength(64) address?: string;
  /** A provisioning key. */
  @IsOptional() @IsString() @MaxLength(64) keyId?: string;
  /** Instant from which on, in ISO 8601, without a zone in UTC. */
  @IsOptional() @IsInstant() @IsString() from?: string;
  /** Instant before which, in ISO 8601, without a zone in UTC. */
  @IsOptional() @IsInstant() @IsString() to?: string;
  /** `desc`: newest first, and `after` goes on towards the oldest. */
  @IsOptional() @IsIn(['asc', 'desc']) @ApiPropertyOptional({ enum: ['asc', 'desc'], default: 'asc' }) order?:
    | 'asc'
    | 'desc';
}

export class InstallationEventQuery extends EventFilterQuery {
  /** Internal identity of an organization, deleted or not; `org.delete` of the audit names it. Absent: what belongs to none. */
  @IsOptional() @IsUUID() orgUid?: string;
}

export class EventView {
  /** Opaque; give it as `after` to go on from here. */
  cursor: string;
  id: number;
  @ApiProperty({ enum: EVENT_TYPES }) type: EventType;
  orgId: string;
  siteId: number | null;
  @ApiProperty({ type: 'object', additionalProperties: true }) data: Record<string, unknown>;
  createdAt: Date;
}

export class EventFeed {
  events: EventView[];
  /** Where to go on; null while there is nothing yet. */
  next: string | null;
}
