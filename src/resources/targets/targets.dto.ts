import { ApiProperty, ApiPropertyOptional, OmitType, PartialType, PickType } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, Max, Min } from 'class-validator';
import { CHOICES, INTS, TEXTS } from '#blueprint';
import { BodyExample, ChoiceField, IntField, MayBeAbsent, OffsetPagination, TextField } from '#platform';
import { HEADER_LIST, HeaderPair, IsHeaderList } from '../headers.js';
import { RESOURCE_MODES, type ResourceMode } from '../public/resources.dto.js';

type PathMatch = (typeof CHOICES.pathMatch)[number];
type PathRewrite = (typeof CHOICES.rewriteMatch)[number];
export const TARGET_HEALTHS = ['unknown', 'healthy', 'unhealthy'] as const;
const SITE_TYPES = ['newt', 'wireguard', 'local'] as const;
/** docs/integration-api.md §3.6. A health check has no defaults here: what is left out is null. */
@BodyExample({ siteId: 1, ip: '192.168.1.30', port: 8080, method: 'http', enabled: true })
export class CreateTargetBody {
  @Max(Number.MAX_SAFE_INTEGER) @Min(1) @IsInt() @ApiProperty({ type: 'integer', minimum: 1 }) siteId: number;
  /** An address, or a host name as the site knows it. */
  @TextField(TEXTS.targetHost) ip: string;
  @IntField(INTS.port) port: number;
  /** That of its resource, which need not be said. */
  @MayBeAbsent() @IsIn(RESOURCE_MODES) @ApiPropertyOptional({ enum: RESOURCE_MODES }) mode?: ResourceMode;
  /** Of HTTP resources; null counts as http. */
  @ChoiceField(CHOICES.method, 'nullable') method?: (typeof CHOICES.method)[number] | null;
  /** With `method: https`: any certificate will do. */
  @MayBeAbsent() @IsBoolean() insecureTls?: boolean;
  @MayBeAbsent() @IsBoolean() enabled?: boolean;
  @TextField(TEXTS.path, 'nullable') path?: string | null;
  @ChoiceField(CHOICES.pathMatch, 'nullable') pathMatchType?: PathMatch | null;
  @TextField(TEXTS.rewritePath, 'nullable') rewritePath?: string | null;
  /** stripPrefix without a path rewrites to `/`. */
  @ChoiceField(CHOICES.rewriteMatch, 'nullable') rewritePathType?: PathRewrite | null;
  @IntField(INTS.targetPriority, 'nullable') priority?: number | null;
  @MayBeAbsent() @IsBoolean() hcEnabled?: boolean;
  @TextField(TEXTS.healthPath, 'nullable') hcPath?: string | null;
  @TextField(TEXTS.healthScheme, 'nullable') hcScheme?: string | null;
  @TextField(TEXTS.healthMode, 'nullable') hcMode?: string | null;
  @TextField(TEXTS.healthHost, 'nullable') hcHostname?: string | null;
  @IntField(INTS.port, 'nullable') hcPort?: number | null;
  @IntField(INTS.seconds, 'nullable') hcInterval?: number | null;
  @IntField(INTS.seconds, 'nullable') hcUnhealthyInterval?: number | null;
  @IntField(INTS.seconds, 'nullable') hcTimeout?: number | null;
  @IsOptional() @IsHeaderList() @ApiPropertyOptional(HEADER_LIST) hcHeaders?: HeaderPair[] | null;
  @IsOptional() @IsBoolean() @ApiPropertyOptional({ type: 'boolean', nullable: true }) hcFollowRedirects?:
    | boolean
    | null;
  @TextField(TEXTS.healthMethod, 'nullable') hcMethod?: string | null;
  @IntField(INTS.healthStatus, 'nullable') hcStatus?: number | null;
  @TextField(TEXTS.tlsServerName, 'nullable') hcTlsServerName?: string | null;
  @IntField(INTS.threshold, 'nullable') hcHealthyThreshold?: number | null;
  @IntField(INTS.threshold, 'nullable') hcUnhealthyThreshold?: number | null;
}

const NOT_AS_CREATED = ['siteId', 'ip', 'priority'] as const;

/**
 * What is left out stays, but: without `hcEnabled` the health check is switched off, without `hcHeaders` they are cleared, and
 * `pathMatchType: null` clears the rewrite too.
 */
@BodyExample({ siteId: 1, ip: '192.168.1.31', port: 8080 })
export class UpdateTargetBody extends PartialType(OmitType(CreateTargetBody, NOT_AS_CREATED), {
  skipNullProperties: false,
}) {
  @Max(Number.MAX_SAFE_INTEGER) @Min(1) @IsInt() @ApiProperty({ type: 'integer', minimum: 1 }) siteId: number;
  @TextField(TEXTS.targetHost) ip: string;
  @IntField(INTS.targetPriority, 'optional')
  priority?: number;
}

class TargetFields {
  targetId: number;
  resourceId: number;
  siteId: number;
  ip: string;
  /** Of its resource. */
  @ApiProperty({ enum: RESOURCE_MODES }) mode: ResourceMode;
  method: string | null;
  insecureTls: boolean;
  port: number;
  /** Where a newt listens for it. */
  internalPort: number | null;
  enabled: boolean;
  path: string | null;
  @ApiProperty({ enum: [...CHOICES.pathMatch, null], nullable: true }) pathMatchType: PathMatch | null;
  rewritePath: string | null;
  @ApiProperty({ enum: [...CHOICES.rewriteMatch, null], nullable: true }) rewritePathType: PathRewrite | null;
  priority: number;
  /** The same number as the target's. */
  targetHealthCheckId: number;
  orgId: string;
  name: string | null;
  hcEnabled: boolean;
  hcPath: string | null;
  hcScheme: string | null;
  hcMode: string | null;
  hcHostname: string | null;
  hcPort: number | null;
  /** Seconds. */
  hcInterval: number | null;
  hcUnhealthyInterval: number | null;
  hcTimeout: number | null;
  hcFollowRedirects: boolean | null;
  hcMethod: string | null;
  hcStatus: number | null;
  @ApiProperty({ enum: TARGET_HEALTHS }) hcHealth: (typeof TARGET_HEALTHS)[number];
  hcTlsServerName: string | null;
  hcHealthyThreshold: number | null;
  hcUnhealthyThreshold: number | null;
  /** Why it is not healthy, as its site told last. */
  hcLastError: string | null;
  /** When its site told last; null while nothing is known. */
  hcToldAt: Date | null;
}

/** What a change answers: `hcHeaders` is JSON text here. */
export class TargetRow extends TargetFields {
  hcHeaders: string | null;
}

/** What a read answers. */
export class TargetView extends TargetFields {
  @ApiProperty(HEADER_LIST) hcHeaders: HeaderPair[] | null;
}

export class TargetItem extends PickType(TargetView, [
  'targetId',
  'ip',
  'mode',
  'method',
  'insecureTls',
  'port',
  'enabled',
  'resourceId',
  'siteId',
  'hcEnabled',
  'hcPath',
  'hcScheme',
  'hcMode',
  'hcHostname',
  'hcPort',
  'hcInterval',
  'hcUnhealthyInterval',
  'hcTimeout',
  'hcHeaders',
  'hcFollowRedirects',
  'hcMethod',
  'hcStatus',
  'hcHealth',
  'hcTlsServerName',
  'hcHealthyThreshold',
  'hcUnhealthyThreshold',
  'hcLastError',
  'hcToldAt',
  'path',
  'pathMatchType',
  'rewritePath',
  'rewritePathType',
  'priority',
] as const) {
  @ApiProperty({ enum: SITE_TYPES }) siteType: (typeof SITE_TYPES)[number];
  siteName: string;
}

export class TargetList {
  @ApiProperty({ type: [TargetItem] }) targets: TargetItem[];
  pagination: OffsetPagination;
}
