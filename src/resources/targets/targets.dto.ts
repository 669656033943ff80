import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, OmitType, PartialType, PickType } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Length, Max, MaxLength, Min, MinLength } from 'class-validator';
import { BodyExample, MayBeAbsent, NoControlCharacters, OffsetPagination } from '#platform';
import { HEADER_LIST, HeaderPair, IsHeaderList } from '../headers.js';
import { IsBackendHost } from '../names.js';
import { RESOURCE_MODES, type ResourceMode } from '../public/resources.dto.js';

export const PATH_MATCHES = ['exact', 'prefix', 'regex'] as const;
export const PATH_REWRITES = ['exact', 'prefix', 'regex', 'stripPrefix'] as const;
export const TARGET_HEALTHS = ['unknown', 'healthy', 'unhealthy'] as const;
const SITE_TYPES = ['newt', 'wireguard', 'local'] as const;
const MAX_INT = 2_147_483_647;

/** May be left out; null clears. */
const OptionalText = (max: number, min = 0) =>
  applyDecorators(
    IsOptional(),
    NoControlCharacters(),
    MaxLength(max),
    MinLength(min),
    IsString(),
    ApiPropertyOptional({ type: 'string', nullable: true, minLength: min, maxLength: max }),
  );
const OptionalInt = (min: number, max = MAX_INT) =>
  applyDecorators(
    IsOptional(),
    Max(max),
    Min(min),
    IsInt(),
    ApiPropertyOptional({ type: 'integer', nullable: true, minimum: min, maximum: max }),
  );

/** docs/integration-api.md §3.6. A health check has no defaults here: what is left out is null. */
@BodyExample({ siteId: 1, ip: '192.168.1.30', port: 8080, method: 'http', enabled: true })
export class CreateTargetBody {
  @Max(Number.MAX_SAFE_INTEGER) @Min(1) @IsInt() @ApiProperty({ type: 'integer', minimum: 1 }) siteId: number;
  /** An address, or a host name as the site knows it. */
  @IsBackendHost() ip: string;
  @Max(65535) @Min(1) @IsInt() @ApiProperty({ type: 'integer', minimum: 1, maximum: 65535 }) port: number;
  /** That of its resource, which need not be said. */
  @MayBeAbsent() @IsIn(RESOURCE_MODES) @ApiPropertyOptional({ enum: RESOURCE_MODES }) mode?: ResourceMode;
  /** http, https or h2c for HTTP resources. */
  @IsOptional() @NoControlCharacters() @Length(1, 10) @IsString() method?: string | null;
  @MayBeAbsent() @IsBoolean() enabled?: boolean;
  @OptionalText(1000) path?: string | null;
  @IsOptional()
  @IsIn(PATH_MATCHES)
  @ApiPropertyOptional({ enum: [...PATH_MATCHES, null], nullable: true })
  pathMatchType?: (typeof PATH_MATCHES)[number] | null;
  @OptionalText(1000) rewritePath?: string | null;
  @IsOptional()
  @IsIn(PATH_REWRITES)
  @ApiPropertyOptional({ enum: [...PATH_REWRITES, null], nullable: true })
  rewritePathType?: (typeof PATH_REWRITES)[number] | null;
  @OptionalInt(1, 1000) priority?: number | null;
  @MayBeAbsent() @IsBoolean() hcEnabled?: boolean;
  @OptionalText(1000, 1) hcPath?: string | null;
  @OptionalText(64) hcScheme?: string | null;
  @OptionalText(64) hcMode?: string | null;
  @OptionalText(255) hcHostname?: string | null;
  @OptionalInt(1, 65535) hcPort?: number | null;
  @OptionalInt(1) hcInterval?: number | null;
  @OptionalInt(1) hcUnhealthyInterval?: number | null;
  @OptionalInt(1) hcTimeout?: number | null;
  @IsOptional() @IsHeaderList() @ApiPropertyOptional(HEADER_LIST) hcHeaders?: HeaderPair[] | null;
  @IsOptional() @IsBoolean() @ApiPropertyOptional({ type: 'boolean', nullable: true }) hcFollowRedirects?:
    | boolean
    | null;
  @OptionalText(32, 1) hcMethod?: string | null;
  @OptionalInt(-MAX_INT) hcStatus?: number | null;
  @OptionalText(255) hcTlsServerName?: string | null;
  @OptionalInt(1) hcHealthyThreshold?: number | null;
  @OptionalInt(1) hcUnhealthyThreshold?: number | null;
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
  @IsBackendHost() ip: string;
  @MayBeAbsent()
  @Max(1000)
  @Min(1)
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1000 })
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
  port: number;
  /** Where a newt listens for it. */
  internalPort: number | null;
  enabled: boolean;
  path: string | null;
  @ApiProperty({ enum: [...PATH_MATCHES, null], nullable: true }) pathMatchType: (typeof PATH_MATCHES)[number] | null;
  rewritePath: string | null;
  @ApiProperty({ enum: [...PATH_REWRITES, null], nullable: true }) rewritePathType:
    | (typeof PATH_REWRITES)[number]
    | null;
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
