import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsObject,
  IsOptional,
  IsPositive,
  IsString,
  Max,
  MaxLength,
  ValidateNested,
} from 'class-validator';
import { CHOICES, INTS, TEXTS } from '#blueprint';
import {
  ANY_VALUE,
  BodyExample,
  ChoiceField,
  IntField,
  IsIdList,
  IsLabels,
  MayBeAbsent,
  NoControlCharacters,
  PagePagination,
  PageQuery,
  QueryBoolean,
  QueryInt,
  TextField,
} from '#platform';
import { HEADER_LIST, HeaderPair, IsHeaderList } from '../headers.js';

export const PROTOCOLS = ['tcp', 'udp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];
/** What newer clients say instead of `http` and `protocol`. */
export const RESOURCE_MODES = ['http', ...PROTOCOLS] as const;
export type ResourceMode = (typeof RESOURCE_MODES)[number];
export type MaintenanceType = (typeof CHOICES.maintenanceType)[number];
export const HEALTHS = ['healthy', 'unhealthy', 'degraded', 'unknown'] as const;
export type Health = (typeof HEALTHS)[number];
export const AUTH_STATES = ['protected', 'not_protected', 'none'] as const;
export type AuthState = (typeof AUTH_STATES)[number];
const TARGET_HEALTHS = ['unknown', 'healthy', 'unhealthy'] as const;
const SITE_TYPES = ['newt', 'wireguard', 'local'] as const;

const LABELS = { type: 'object', additionalProperties: { type: 'string' } } as const;

/** Sites that may add targets to a resource by documents of their own: either those named, or those that have all of these labels. */
export class TargetRights {
  @MayBeAbsent()
  @IsIdList(1000)
  @ApiPropertyOptional({ type: 'array', items: { type: 'integer', minimum: 1 }, maxItems: 1000, uniqueItems: true })
  siteIds?: number[];
  /** At least one, at most 32. */
  @MayBeAbsent() @IsLabels() @ApiPropertyOptional(LABELS) labels?: Record<string, string>;
}

/** Of which kind a resource is, said in either way; what is said in both must agree. */
export class Kind {
  @MayBeAbsent() @IsIn(RESOURCE_MODES) @ApiPropertyOptional({ enum: RESOURCE_MODES }) mode?: ResourceMode;
  @MayBeAbsent() @IsBoolean() http?: boolean;
  /** An HTTP resource is stored as tcp, whatever is given. */
  @MayBeAbsent() @IsIn(PROTOCOLS) @ApiPropertyOptional({ enum: PROTOCOLS }) protocol?: Protocol;
  @MayBeAbsent() @IsBoolean() enableProxy?: boolean;
}

/** docs/integration-api.md §3.5: `mode`, or `http` and `protocol`, decides which of the optional fields belong to it. */
@BodyExample({ name: 'Dashboard of line 4', http: true, protocol: 'tcp', domainId: 'domain1', subdomain: 'line-4' })
export class CreateResourceBody extends Kind {
  @TextField(TEXTS.name) name: string;
  /** A site of the organization. Decides nothing: targets name their sites. */
  @MayBeAbsent()
  @Max(Number.MAX_SAFE_INTEGER)
  @IsPositive()
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', minimum: 1 })
  siteId?: number;
  /** HTTP: required. */
  @MayBeAbsent() @MaxLength(64) @IsNotEmpty() @IsString() domainId?: string;
  /** HTTP: labels below the domain, `*` or `*.labels`; null for the base domain. */
  @IsOptional() @MaxLength(253) @IsString() subdomain?: string | null;
  /** Raw: required. */
  @IntField(INTS.port, 'optional') proxyPort?: number;
  @MayBeAbsent() @IsBoolean() stickySession?: boolean;
  /** HTTP: where a visitor goes after showing who they are. */
  @IsOptional() @NoControlCharacters() @MaxLength(2000) @IsString() postAuthPath?: string | null;
  /** null: none but those whose documents declare the resource. */
  @IsOptional() @ValidateNested() @IsObject() @Type(() => TargetRights) sitesMayAddTargets?: TargetRights | null;
}

/** At least one field; fields of the other kind of resource are an error, and so is another kind than the resource has. */
@BodyExample({ name: 'Dashboard of lines 4 and 5', ssl: true, enabled: true })
export class UpdateResourceBody extends Kind {
  @TextField(TEXTS.name, 'optional') name?: string;
  @TextField(TEXTS.niceId, 'optional') niceId?: string;
  @IsOptional() @MaxLength(253) @IsString() subdomain?: string | null;
  @MayBeAbsent() @MaxLength(64) @IsNotEmpty() @IsString() domainId?: string;
  @MayBeAbsent() @IsBoolean() ssl?: boolean;
  @MayBeAbsent() @IsBoolean() sso?: boolean;
  @MayBeAbsent() @IsBoolean() blockAccess?: boolean;
  @MayBeAbsent() @IsBoolean() emailWhitelistEnabled?: boolean;
  @MayBeAbsent() @IsBoolean() applyRules?: boolean;
  @MayBeAbsent() @IsBoolean() enabled?: boolean;
  @MayBeAbsent() @IsBoolean() stickySession?: boolean;
  /** "" is null. */
  @TextField(TEXTS.tlsServerName, 'nullable') tlsServerName?: string | null;
  /** A host, or host:port; "" is null. */
  @TextField(TEXTS.hostHeader, 'nullable') setHostHeader?: string | null;
  /** From the end of a request to the head of its answer; longer is 504. */
  @IntField(INTS.responseTimeout, 'optional') responseTimeoutSeconds?: number;
  /** For how long it is served while the server cannot see changes: 0 not at all, null as long as EDGE_STALE_SECONDS allows. */
  @IntField(INTS.staleSeconds, 'nullable') staleSeconds?: number | null;
  /** There are no identity providers yet: anything but null is 404. */
  @IsOptional()
  @Max(2_147_483_647)
  @IsPositive()
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', nullable: true })
  skipToIdpId?: number | null;
  @IsOptional() @IsHeaderList() @ApiPropertyOptional(HEADER_LIST) headers?: HeaderPair[] | null;
  @MayBeAbsent() @IsBoolean() maintenanceModeEnabled?: boolean;
  @ChoiceField(CHOICES.maintenanceType, 'optional') maintenanceModeType?: MaintenanceType;
  @TextField(TEXTS.maintenanceTitle, 'nullable') maintenanceTitle?: string | null;
  /** Line ends are kept as LF. */
  @TextField(TEXTS.maintenanceMessage, 'nullable') maintenanceMessage?: string | null;
  @TextField(TEXTS.maintenanceEstimatedTime, 'nullable') maintenanceEstimatedTime?: string | null;
  @IsOptional() @NoControlCharacters() @MaxLength(2000) @IsString() postAuthPath?: string | null;
  @IntField(INTS.port, 'optional') proxyPort?: number;
  /** tcp only. */
  @MayBeAbsent() @IsBoolean() proxyProtocol?: boolean;
  @IntField(INTS.proxyProtocolVersion, 'optional') proxyProtocolVersion?: number;
  /** null: none but those whose documents declare the resource. */
  @IsOptional() @ValidateNested() @IsObject() @Type(() => TargetRights) sitesMayAddTargets?: TargetRights | null;
}

class ResourceFields {
  resourceId: number;
  @ApiProperty({ format: 'uuid' }) resourceGuid: string;
  orgId: string;
  niceId: string;
  name: string;
  subdomain: string | null;
  fullDomain: string | null;
  domainId: string | null;
  ssl: boolean;
  blockAccess: boolean;
  sso: boolean;
  http: boolean;
  @ApiProperty({ enum: PROTOCOLS }) protocol: Protocol;
  /** http, or the protocol. */
  @ApiProperty({ enum: RESOURCE_MODES }) mode: ResourceMode;
  proxyPort: number | null;
  emailWhitelistEnabled: boolean;
  applyRules: boolean;
  enabled: boolean;
  stickySession: boolean;
  tlsServerName: string | null;
  setHostHeader: string | null;
  responseTimeoutSeconds: number;
  staleSeconds: number | null;
  enableProxy: boolean;
  skipToIdpId: number | null;
  proxyProtocol: boolean;
  proxyProtocolVersion: number;
  maintenanceModeEnabled: boolean;
  @ApiProperty({ enum: CHOICES.maintenanceType }) maintenanceModeType: MaintenanceType;
  maintenanceTitle: string | null;
  maintenanceMessage: string | null;
  maintenanceEstimatedTime: string | null;
  postAuthPath: string | null;
  @ApiProperty({ enum: HEALTHS }) health: Health;
  wildcard: boolean;
  /** Not null when one is set. What it is is never shown. */
  passwordId: number | null;
  pincodeId: number | null;
  headerAuthId: number | null;
  /** Which sites may add targets by documents of their own; null: none but those whose documents declare the resource. */
  sitesMayAddTargets: TargetRights | null;
}

/** What a change answers: `headers` is JSON text here. */
export class ResourceRow extends ResourceFields {
  headers: string | null;
}

/** A field that a blueprint file declares and somebody has changed since. */
export class DriftedField {
  field: string;
  @ApiProperty(ANY_VALUE) file: unknown;
  @ApiProperty(ANY_VALUE) current: unknown;
}

/** What a read answers. */
export class ResourceView extends ResourceFields {
  /** Where a browser finds it; null: of a raw resource, a wildcard, and one without a name. */
  url: string | null;
  @ApiProperty(HEADER_LIST) headers: HeaderPair[] | null;
  /** Empty but for a resource that a blueprint file owns; the next apply sets these back. */
  drift: DriftedField[];
  /** Raw: why its port is not served, or not by every server process; null where nothing is known against it. */
  portError: string | null;
}

const SORT = ['name'] as const;

/** What a list of resources can be narrowed by; all of them combine. */
export class ListResourcesQuery extends PageQuery {
  /** Part of the name, the niceId or the full domain, any case. */
  @MayBeAbsent() @MaxLength(255) @IsString() query?: string;
  @MayBeAbsent() @IsIn(SORT) @ApiPropertyOptional({ enum: SORT }) sort_by?: (typeof SORT)[number];
  @MayBeAbsent() @IsIn(['asc', 'desc']) @ApiPropertyOptional({ enum: ['asc', 'desc'] }) order?: 'asc' | 'desc';
  @QueryBoolean() enabled?: boolean;
  /** none: not an HTTP resource. */
  @MayBeAbsent() @IsIn(AUTH_STATES) @ApiPropertyOptional({ enum: AUTH_STATES }) authState?: AuthState;
  @MayBeAbsent() @IsIn(HEALTHS) @ApiPropertyOptional({ enum: HEALTHS }) healthStatus?: Health;
  /** With a target on this site. */
  @QueryInt(1, Number.MAX_SAFE_INTEGER) siteId?: number;
}

/** The site is in the path. */
export class ListSitePublicResourcesQuery extends OmitType(ListResourcesQuery, ['siteId'] as const) {}

export class ResourceTargetItem {
  targetId: number;
  resourceId: number;
  siteId: number;
  ip: string;
  port: number;
  enabled: boolean;
  @ApiProperty({ enum: TARGET_HEALTHS }) healthStatus: (typeof TARGET_HEALTHS)[number];
  hcEnabled: boolean;
  siteName: string;
  siteNiceId: string;
  siteOnline: boolean;
  @ApiProperty({ enum: SITE_TYPES }) siteType: (typeof SITE_TYPES)[number];
}

export class ResourceSiteItem {
  siteId: number;
  siteName: string;
  siteNiceId: string;
  /** Left out for type local. */
  online?: boolean;
}

export class ResourceItem {
  resourceId: number;
  niceId: string;
  name: string;
  ssl: boolean;
  subdomain: string | null;
  fullDomain: string | null;
  passwordId: number | null;
  sso: boolean;
  pincodeId: number | null;
  whitelist: boolean;
  http: boolean;
  @ApiProperty({ enum: PROTOCOLS }) protocol: Protocol;
  @ApiProperty({ enum: RESOURCE_MODES }) mode: ResourceMode;
  proxyPort: number | null;
  wildcard: boolean;
  enabled: boolean;
  domainId: string | null;
  headerAuthId: number | null;
  @ApiProperty({ enum: HEALTHS }) health: Health;
  /** Where a browser finds it; null: of a raw resource, a wildcard, and one without a name. */
  url: string | null;
  @ApiProperty({ type: [ResourceTargetItem] }) targets: ResourceTargetItem[];
  @ApiProperty({ type: [ResourceSiteItem] }) sites: ResourceSiteItem[];
}

export class ResourceList {
  @ApiProperty({ type: [ResourceItem] }) resources: ResourceItem[];
  pagination: PagePagination;
}

export class ResourceName {
  resourceId: number;
  name: string;
}
