import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { EVENT_TYPES, type EventType } from '#contracts';
import { QueryInt } from '#platform';

export class EventQuery {
  /** Cursor of the last event that was read; `now`: from here on; absent: from the beginning. */
  @IsOptional() @IsString() @MaxLength(64) after?: string;
  @QueryInt(1, 1000) limit?: number;
  @IsOptional() @IsIn(EVENT_TYPES) type?: EventType;
}

export class InstallationEventQuery extends EventQuery {
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
