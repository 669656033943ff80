import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { isCidr } from '#blueprint';
import { IsInstant, MayBeAbsent, OffsetPagination, PageQuery, plainAddress, RuleWithin } from '#platform';

const RESULTS = ['success', 'failure', 'refused'] as const;

const IsAddressOrRange = () =>
  RuleWithin('isAddressOrRange', (value) =>
    typeof value === 'string' && (plainAddress(value) === value || isCidr(value))
      ? []
      : [{ place: '', problem: 'must be an IP address, or a range such as 10.0.0.0/8' }],
  );

export class AuditQuery extends PageQuery {
  /** User id, API key id, site id, or hardware id of a claim. */
  @IsOptional() @IsString() @MaxLength(128) actorId?: string;
  @IsOptional() @IsIn(['user', 'api_key', 'root_key', 'site', 'agent', 'system', 'anonymous']) actorType?: string;
  /** `<noun>.<verb>`, such as `site.approve`. */
  @IsOptional() @IsString() @MaxLength(64) action?: string;
  @IsOptional() @IsString() @MaxLength(64) targetType?: string;
  @IsOptional() @IsString() @MaxLength(128) targetId?: string;
  @IsOptional() @IsIn(RESULTS) result?: (typeof RESULTS)[number];
  /** Part of the action, or of the name or id of actor or target, any case. */
  @IsOptional() @IsString() @MaxLength(255) query?: string;
  /** Address that the request came from, or a range such as 10.0.0.0/8. */
  @MayBeAbsent() @IsAddressOrRange() @MaxLength(64) @IsString() address?: string;
  /** What the answer of a request had as `X-Request-Id`: all that it did. */
  @MayBeAbsent() @IsUUID() requestId?: string;
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
  /** What the actor was called then: an e-mail address, the name of a key or a machine; null in rows of earlier versions. */
  actorName: string | null;
  action: string;
  targetType: string | null;
  targetId: string | null;
  /** What the target was called after the act, or before it was deleted; null where it has no name, and in rows of earlier versions. */
  targetName: string | null;
  address: string | null;
  /** Of the request that did it; null for what runs by itself, and for claims. */
  requestId: string | null;
  @ApiProperty({ enum: RESULTS }) result: string;
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true }) details: Record<string, unknown> | null;
  createdAt: Date;
}

export class AuditList {
  audit: AuditView[];
  pagination: OffsetPagination;
}
