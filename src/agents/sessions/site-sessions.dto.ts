import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsString } from 'class-validator';
import { SESSION_ENDS, type SessionEnd } from '#contracts';
import { IsInstant, OffsetPagination, PageQuery } from '#platform';

export class SiteSessionQuery extends PageQuery {
  /** Sessions that lasted until then or later: an instant in ISO 8601, without a zone in UTC. */
  @IsOptional() @IsInstant() @IsString() from?: string;
  /** Sessions that began before: an instant in ISO 8601, without a zone in UTC. */
  @IsOptional() @IsInstant() @IsString() to?: string;
}

/** A session of a site, from its registration to its end. */
export class SiteSession {
  @ApiProperty({ format: 'uuid' }) sessionId: string;
  /** The server process that held it. */
  @ApiProperty({ type: 'string', format: 'uuid', nullable: true }) serverId: string | null;
  address: string | null;
  /** What it ran as: a newt, until it says hello as Gatehouse's agent. */
  @ApiProperty({ type: 'string', enum: ['newt', 'agent'], nullable: true }) clientType: string | null;
  clientVersion: string | null;
  connectedAt: Date;
  /** null: it is open. */
  endedAt: Date | null;
  /** Why it ended. */
  @ApiProperty({ type: 'string', enum: SESSION_ENDS, nullable: true }) endReason: SessionEnd | null;
}

export class SiteSessionList {
  sessions: SiteSession[];
  pagination: OffsetPagination;
}
