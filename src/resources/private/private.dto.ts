import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsNotEmpty, IsOptional, IsPositive, IsString, Max, MaxLength } from 'class-validator';
import { CHOICES, INTS, TEXTS } from '#blueprint';
import {
  BodyExample,
  ChoiceField,
  IntField,
  IsIdList,
  MayBeAbsent,
  PagePagination,
  QueryInt,
  SearchQuery,
  TextField,
} from '#platform';
import { IsUserIdList } from '../grants/grants.dto.js';
import { DriftedField } from '../public/resources.dto.js';

export const MODES = ['host', 'cidr', 'http'] as const;
type Scheme = (typeof CHOICES.scheme)[number];
export type Mode = (typeof MODES)[number];
const AUTH_DAEMON_MODES = ['site', 'remote'] as const;
const MAX_IDS = 1000;
const ID_LIST = {
  type: 'array',
  maxItems: MAX_IDS,
  uniqueItems: true,
  items: { type: 'integer', minimum: 1 },
} as const;

/** What create and update share (docs/integration-api.md §3.4). */
class Fields {
  /** The old form of `siteIds`; merged into it. */
  @MayBeAbsent()
  @Max(Number.MAX_SAFE_INTEGER)
  @IsPositive()
  @IsInt()
  @ApiPropertyOptional({ type: 'integer', minimum: 1 })
  siteId?: number;
  /** Sites that the resource is reached through. */
  @MayBeAbsent() @IsIdList(MAX_IDS) @ApiPropertyOptional(ID_LIST) siteIds?: number[];
  /** http: required. */
  @IntField(INTS.port, 'nullable') destinationPort?: number | null;
  /** http: required. */
  @ChoiceField(CHOICES.scheme, 'nullable') scheme?: Scheme | null;
  @MayBeAbsent() @IsBoolean() ssl?: boolean;
  /** By which clients reach it; labels but the last may hold `*` and `?`. host: required when the destination is a name. */
  @TextField(TEXTS.alias, 'nullable') alias?: string | null;
  /** http: required. */
  @IsOptional() @MaxLength(64) @IsNotEmpty() @IsString() domainId?: string | null;
  @IsOptional() @MaxLength(253) @IsString() subdomain?: string | null;
  @MayBeAbsent() @IsBoolean() enabled?: boolean;
  /** `""` none, `"*"` all, or ports and ranges such as `80,8000-8010`. http: always `443,80`. */
  @TextField(TEXTS.portRanges, 'optional') tcpPortRangeString?: string;
  /** http: always `""`. */
  @TextField(TEXTS.portRanges, 'optional') udpPortRangeString?: string;
  @MayBeAbsent() @IsBoolean() disableIcmp?: boolean;
  @MayBeAbsent()
  @IsIn(AUTH_DAEMON_MODES)
  @ApiPropertyOptional({ enum: AUTH_DAEMON_MODES })
  authDaemonMode?: (typeof AUTH_DAEMON_MODES)[number];
  /** null: 22123. */
  @IntField(INTS.port, 'nullable') authDaemonPort?: number | null;
  /** Admin changes nothing: it reaches everything. */
  @MayBeAbsent() @IsIdList(MAX_IDS) @ApiPropertyOptional(ID_LIST) roleIds?: number[];
  @MayBeAbsent()
  @IsUserIdList(MAX_IDS)
  @ApiPropertyOptional({ type: 'array', maxItems: MAX_IDS, uniqueItems: true, items: { type: 'string' } })
  userIds?: string[];
  /** Machine clients. */
  @MayBeAbsent() @IsIdList(MAX_IDS) @ApiPropertyOptional(ID_LIST) clientIds?: number[];
}

@BodyExample({ name: 'Printer', mode: 'host', siteIds: [1], destination: '192.168.1.20', roleIds: [2] })
export class CreateSiteResourceBody extends Fields {
  @TextField(TEXTS.name) name: string;
  /** Generated when absent. */
  @TextField(TEXTS.niceId, 'optional') niceId?: string;
  @IsIn(MODES) @ApiProperty({ enum: MODES }) mode: Mode;
  /** host: an address or a host name; cidr: an address range; http: where the service is. */
  @TextField(TEXTS.destination) destination: string;
}

/** At least one field. Leaving `alias` out clears it, leaving `domainId` out clears the domain; sites and grants stay when they are left out. */
@BodyExample({ name: 'Printer, second floor', destination: '192.168.1.21' })
export class UpdateSiteResourceBody extends Fields {
  @TextField(TEXTS.name, 'optional') name?: string;
  @TextField(TEXTS.niceId, 'optional') niceId?: string;
  @MayBeAbsent() @IsIn(MODES) @ApiPropertyOptional({ enum: MODES }) mode?: Mode;
  @TextField(TEXTS.destination, 'optional') destination?: string;
}

const ORDER = ['asc', 'desc'] as const;

export class ListSiteResourcesQuery extends SearchQuery {
  @MayBeAbsent() @IsIn(ORDER) @ApiPropertyOptional({ enum: ORDER }) declare order?: (typeof ORDER)[number];
  @MayBeAbsent() @IsIn(['name']) @ApiPropertyOptional({ enum: ['name'] }) sort_by?: 'name';
  @MayBeAbsent() @IsIn(MODES) @ApiPropertyOptional({ enum: MODES }) mode?: Mode;
  @QueryInt(1, Number.MAX_SAFE_INTEGER) siteId?: number;
}

/** The row of docs/integration-api.md §3.4. */
export class SiteResourceRow {
  siteResourceId: number;
  orgId: string;
  /** Each private resource is a network of its own, under its own number. */
  networkId: number;
  defaultNetworkId: number | null;
  niceId: string;
  name: string;
  ssl: boolean;
  @ApiProperty({ enum: MODES }) mode: Mode;
  @ApiProperty({ enum: [...CHOICES.scheme, null], nullable: true, type: 'string' }) scheme: Scheme | null;
  proxyPort: number | null;
  destinationPort: number | null;
  destination: string;
  enabled: boolean;
  alias: string | null;
  /** In the utility subnet; of host and http. */
  aliasAddress: string | null;
  tcpPortRangeString: string;
  udpPortRangeString: string;
  disableIcmp: boolean;
  authDaemonPort: number;
  @ApiProperty({ enum: AUTH_DAEMON_MODES }) authDaemonMode: (typeof AUTH_DAEMON_MODES)[number];
  domainId: string | null;
  subdomain: string | null;
  fullDomain: string | null;
}

export class SiteResourceView extends SiteResourceRow {
  /** The first of `siteIds`; null when its sites are gone. */
  siteId: number | null;
  @ApiProperty({ type: [Number] }) siteIds: number[];
}

export class SiteResourceDetail extends SiteResourceView {
  /** Empty when no file declares the resource, or nobody changed it since. */
  @ApiProperty({ type: [DriftedField] }) drift: DriftedField[];
}

/** The sites in the same order in each list. */
export class SiteResourceItem extends SiteResourceView {
  @ApiProperty({ type: [String] }) siteNames: string[];
  @ApiProperty({ type: [String] }) siteNiceIds: string[];
  @ApiProperty({ type: 'array', items: { type: 'string', nullable: true } }) siteAddresses: (string | null)[];
  @ApiProperty({ type: [Boolean] }) siteOnlines: boolean[];
}

export class SiteResourceList {
  @ApiProperty({ type: [SiteResourceItem] }) siteResources: SiteResourceItem[];
  pagination: PagePagination;
}

export class SiteNetworkLink {
  siteId: number;
  networkId: number;
}

export class ResourceNetwork {
  networkId: number;
  niceId: string | null;
  name: string | null;
  @ApiProperty({ enum: ['resource'] }) scope: 'resource';
  orgId: string;
}

/** One private resource on one site, nested as some clients know it and flat as others do (docs/integration-api.md §3.4). */
export class SiteResourceOnSite extends SiteResourceRow {
  siteId: number;
  siteNetworks: SiteNetworkLink;
  networks: ResourceNetwork;
  siteResources: SiteResourceRow;
}

/** This list has no pagination member. */
export class SiteResourcesOnSite {
  @ApiProperty({ type: [SiteResourceOnSite] }) siteResources: SiteResourceOnSite[];
}

export class DeletedSiteResource {
  message: string;
}
