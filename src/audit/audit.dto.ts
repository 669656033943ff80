import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { IsInstant, OffsetPagination, PageQuery } from '#platform';

const RESULTS = ['success', 'failure', 'refused'] as const;

export class AuditQuery extends PageQuery {
  /** User id, API key id, site id, or hardware id of a claim. */
  @IsOptional() @IsString() @MaxLength(128) actorId?: string;
  @IsOptional() @IsIn(['user', 'api_key', 'root_key', 'site', 'agent', 'system', 'anonymous']) actorType?: string;
  /** `<noun>.<verb>`, such as `site.approve`. */
  @IsOptional() @IsString() @MaxLength(64) action?: string;
  @IsOptional() @IsString() @MaxLength(64) targetType?: string;
  @IsOptional() @IsString() @MaxLength(128) targetId?: string;
  @IsOptional() @IsIn(RESULTS) result?: (typeof RESULTS)[number];
  /** Instant from which on, in ISO 8601, without a zone in UTC. */
  @IsOptional() @IsInstant() @IsString() from?: string;
  /** Instant before which, in ISO 8601, without a zone in UTC. */
  @IsOptional() @IsInstant() @IsString() to?: string;
}

export class InstallationAuditQuery extends AuditQuery {
  /** Internal identity of an organization, deleted or not; `org.delete` names it. Absent: what belongs to none. */
  @IsOptional() @IsUUID() orgUid?: string;
}

export class AuditView {
  auditId: number;
  orgId: string | null;
  @ApiProperty({ enum: ['user', 'api_key', 'root_key', 'site', 'agent', 'system', 'anonymous'] }) actorType: string;
  actorId: string | null;
  action: string;
  targetType: string | null;
  targetId: string | null;
  address: string | null;
  @ApiProperty({ enum: RESULTS }) result: string;
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true }) details: Record<string, unknown> | null;
  createdAt: Date;
}

export class AuditList {
  audit: AuditView[];
  pagination: OffsetPagination;
}
