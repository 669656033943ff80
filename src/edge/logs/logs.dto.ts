import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsString, Matches, MaxLength } from 'class-validator';
import { IsInstant, IsNetwork, MayBeAbsent, OffsetPagination, PageQuery, QueryBoolean, QueryInt } from '#platform';

const TYPES = ['sso', 'password', 'pincode', 'header_auth', 'whitelist', 'access_token'] as const;
const AUTHENTICATIONS = ['none', ...TYPES] as const;

const Text = (most: number) => (target: object, key: string) =>
  [MayBeAbsent(), IsString(), MaxLength(most)].forEach((rule) => rule(target, key));

const Instant = () => (target: object, key: string) =>
  [MayBeAbsent(), IsInstant(), IsString(), ApiPropertyOptional({ type: 'string', format: 'date-time' })].forEach(
    (rule) => rule(target, key),
  );

/** What the log of requests and that of logins are both narrowed by. */
class LogQuery extends PageQuery {
  /** Instant from which on, in ISO 8601, without a zone in UTC [7 days before `timeEnd`]. */
  @Instant() timeStart?: string;
  /** Instant before which [now]. */
  @Instant() timeEnd?: string;
  /** The `next` of a page: what follows it, whatever came meanwhile. */
  @Text(64) cursor?: string;
  /** Whether it was let in. */
  @QueryBoolean() action?: boolean;
  @QueryInt(1, Number.MAX_SAFE_INTEGER) resourceId?: number;
  /** Who was logged in, as `actor` of a row says. */
  @Text(255) actor?: string;
  /** The id of who was logged in. */
  @Text(255) actorId?: string;
  /** Country, as two letters. */
  @Text(8) location?: string;
  /** Address of the client, or a range such as 10.0.0.0/8. */
  @MayBeAbsent() @IsNetwork() @MaxLength(64) @IsString() ip?: string;
  /** What a page of an error, or the header `X-Request-Id`, says. */
  @Text(128) requestId?: string;
}

export class RequestLogQuery extends LogQuery {
  @Text(32) method?: string;
  @QueryInt(0, 999) reason?: number;
  @Text(255) host?: string;
  /** Without its query. */
  @Text(1025) path?: string;
  /** Of the answer, or a class of them, such as `5xx`. */
  @MayBeAbsent() @Matches(/^(?:[0-9]{1,3}|[1-5]xx)$/) @IsString() status?: string;
  /** Of an answer of the edge's own, such as `site_offline`. */
  @Text(64) code?: string;
  @QueryInt(1, Number.MAX_SAFE_INTEGER) siteId?: number;
  /** Part of the path, any case. */
  @Text(255) query?: string;
}

export class AccessLogQuery extends LogQuery {
  /** How somebody logged in. */
  @MayBeAbsent() @IsIn(TYPES) type?: (typeof TYPES)[number];
  /** Part of who logged in, any case. */
  @Text(255) query?: string;
}

export class LogAnalyticsQuery {
  /** Instant from which on, in ISO 8601, without a zone in UTC [7 days before `timeEnd`]. */
  @Instant() timeStart?: string;
  /** Instant before which [now]. */
  @Instant() timeEnd?: string;
  @QueryInt(1, Number.MAX_SAFE_INTEGER) resourceId?: number;
}

class LogView {
  id: number;
  /** In seconds since 1970; `at` says it more exactly. */
  timestamp: number;
  at: Date;
  orgId: string;
  requestId: string;
  /** Whether it was let in. */
  action: boolean;
  @ApiProperty({ enum: ['user'], nullable: true }) actorType: string | null;
  /** Who was logged in, as they were called then. */
  actor: string | null;
  actorId: string | null;
  resourceId: number;
  /** What the resource is called now; null: it is gone. */
  resourceName: string | null;
  resourceNiceId: string | null;
  /** Always null: private resources have no such log. */
  @ApiProperty({ type: 'integer', nullable: true }) siteResourceId: number | null;
  /** Address of the client. */
  ip: string | null;
  /** Country, as two letters. */
  location: string | null;
  userAgent: string | null;
  /** Always null. */
  @ApiProperty({ type: String, nullable: true }) metadata: string | null;
}

export class RequestLogView extends LogView {
  /**
   * Let in by: 100 a rule, 101 nothing, as it is open to all, 102 access token, 103 header, 104 pincode, 105 password, 106 mailed code, 107 login. Kept out by: 202 the block of
   * the resource, 203 a rule, 204 the lack of a login, 299 anything else.
   */
  reason: number;
  method: string;
  scheme: string;
  host: string;
  path: string;
  /** With its values masked. */
  query: string | null;
  /** Scheme, host, path and masked query. */
  originalRequestURL: string;
  tls: boolean;
  /** Always null: headers are not kept. */
  @ApiProperty({ type: String, nullable: true }) headers: string | null;
  /** Of the answer; 0: it was over before there was one. */
  status: number;
  /** Of an answer of the edge's own. */
  code: string | null;
  /** The rule that decided. */
  ruleId: number | null;
  /** Where no rule decided: what did. */
  @ApiProperty({ enum: AUTHENTICATIONS, nullable: true }) authentication: string | null;
  siteId: number | null;
  targetId: number | null;
  bytesIn: number;
  bytesOut: number;
  durationMs: number;
}

export class AccessLogView extends LogView {
  @ApiProperty({ enum: TYPES }) type: string;
}

export class LoggedResource {
  id: number;
  name: string | null;
}

/** What there is to filter by, each at most 100: of the newest 10,000 rows of the period. */
class LogAttributes {
  actors: string[];
  resources: LoggedResource[];
  locations: string[];
}

export class RequestLogAttributes extends LogAttributes {
  hosts: string[];
  paths: string[];
}

export class AccessLogAttributes extends LogAttributes {}

class LogPage {
  /** `total` counts up to 50,000. */
  pagination: OffsetPagination;
  /** Give it as `cursor` for what follows; null: nothing does. */
  @ApiProperty({ type: String, nullable: true }) next: string | null;
}

export class RequestLogList extends LogPage {
  log: RequestLogView[];
  filterAttributes: RequestLogAttributes;
}

export class AccessLogList extends LogPage {
  log: AccessLogView[];
  filterAttributes: AccessLogAttributes;
}

/** What went through. */
class TrafficSums {
  totalCount: number;
  allowedCount: number;
  blockedCount: number;
  /** Answers of 400 to 499, and of 500 and more. */
  clientErrors: number;
  serverErrors: number;
  /** From clients, and to them. */
  bytesIn: number;
  bytesOut: number;
}

export class DayTraffic extends TrafficSums {
  /** In UTC, such as `2027-01-31`. */
  day: string;
}

export class ResourceTraffic extends TrafficSums {
  resourceId: number;
  /** null: it is gone. */
  resourceName: string | null;
}

export class CountryRequests {
  /** Two letters. */
  code: string;
  count: number;
}

export class LogAnalytics {
  /** The whole hours in which `timeStart` and `timeEnd` lie. */
  from: Date;
  to: Date;
  totalRequests: number;
  totalBlocked: number;
  bytesIn: number;
  bytesOut: number;
  /** Every day of the period, in its order. */
  requestsPerDay: DayTraffic[];
  /** Where it is known, the most first. */
  requestsPerCountry: CountryRequests[];
  /** The most first, at most 100. */
  requestsPerResource: ResourceTraffic[];
}
