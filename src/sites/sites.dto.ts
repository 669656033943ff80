import { isIP } from 'node:net';
import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsIP,
  IsNotEmpty,
  IsOptional,
  IsPositive,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { isCidr } from '#blueprint';
import {
  NICE_ID_RULE,
  ODDITIES,
  type Oddity,
  SESSION_ENDS,
  type SessionEnd,
  SITE_STATES,
  type SiteState,
} from '#contracts';
import {
  BodyExample,
  IsInstant,
  IsName,
  MayBeAbsent,
  PagePagination,
  PageQuery,
  QueryBoolean,
  QueryInt,
  RuleWithin,
  TextField,
} from '#platform';

const TYPES = ['newt', 'wireguard', 'local'] as const;
const STATUSES = ['pending', 'approved'] as const;

/** Ids and secrets of newts and clients that somebody else draws. */
export const CLIENT_ID = /^[A-Za-z0-9_-]{8,64}$/;
export const CLIENT_ID_PROBLEM = { message: '$property must be 8 to 64 characters of [A-Za-z0-9_-]' };
export const CLIENT_SECRET = /^[A-Za-z0-9_-]{16,128}$/;
export const CLIENT_SECRET_PROBLEM = { message: '$property must be 16 to 128 characters of [A-Za-z0-9_-]' };

/** Ranges of IPv4 or IPv6, separated by commas; none is a list too. */
const IsRangeList = () =>
  RuleWithin('isRangeList', (value) => {
    const ranges = typeof value === 'string' && value.trim() !== '' ? value.split(',') : [];
    const wrong = ranges.find((range) => !isCidr(range.trim()));
    return wrong === undefined ? [] : [{ place: '', problem: `"${wrong.trim()}" is no range, such as 10.0.0.0/8` }];
  });

export const MAX_DESCRIPTION = 500;

/** What clients set of a site. The first decides whether labels of its containers are taken; the others are kept for their readers. */
export class SiteSettings {
  /** What people say of it; null or an empty text: nothing. */
  @IsOptional()
  @Transform(({ value }) => (value === '' ? null : value), { toClassOnly: true })
  @MaxLength(MAX_DESCRIPTION)
  @IsString()
  description?: string | null;
  @MayBeAbsent() @IsBoolean() dockerSocketEnabled?: boolean;
  @MayBeAbsent() @IsBoolean() autoUpdateEnabled?: boolean;
  @MayBeAbsent() @IsBoolean() autoUpdateOverrideOrg?: boolean;
  /** Ranges behind the site, comma-separated; they are read back as they were sent. null or an empty text: none. */
  @IsOptional() @IsRangeList() @MaxLength(4096) @IsString() remoteSubnets?: string | null;
}

/** A site made by hand (docs/integration-api.md §3.3). */
@BodyExample({ type: 'newt', name: 'Press 14' })
export class CreateSiteBody extends SiteSettings {
  @IsName() @MaxLength(255) @IsNotEmpty() @IsString() name: string;
  @IsIn(TYPES) @ApiProperty({ enum: TYPES }) type: (typeof TYPES)[number];
  /** Readable id, unique in the organization; generated when absent. */
  @TextField(NICE_ID_RULE, 'optional') niceId?: string;
  /** A free address of the organization's ranges, without prefix length; the next free one when absent. */
  @IsOptional() @IsIP(4) @ApiPropertyOptional({ type: 'string', format: 'ipv4', nullable: true }) address?:
    | string
    | null;
  /** 8 to 64 of [A-Za-z0-9_-]; generated when absent. */
  @MayBeAbsent()
  @Matches(CLIENT_ID, CLIENT_ID_PROBLEM)
  newtId?: string;
  /** 16 to 128 of [A-Za-z0-9_-]; generated when absent. */
  @MayBeAbsent()
  @Matches(CLIENT_SECRET, CLIENT_SECRET_PROBLEM)
  secret?: string;
  /** null, as pick-site-defaults answers it, while there are no exit nodes; so are the next two. */
  @IsOptional() @IsPositive() @IsInt() @ApiPropertyOptional({ type: 'integer', nullable: true }) exitNodeId?:
    | number
    | null;
  @IsOptional() @MaxLength(64) @IsString() subnet?: string | null;
  @IsOptional() @MaxLength(64) @IsString() pubKey?: string | null;
}

const LabelList = () =>
  applyDecorators(
    Transform(({ value }) => (typeof value === 'string' ? [value] : value), { toClassOnly: true }),
    MayBeAbsent(),
    Matches(/^[^=]{1,63}(?:=.{0,255})?$/s, { each: true, message: 'must be key=value, or a key' }),
    ArrayMaxSize(32),
    IsArray(),
    ApiPropertyOptional({ type: 'array', items: { type: 'string' }, maxItems: 32 }),
  );
const PositiveInt = () =>
  applyDecorators(
    MayBeAbsent(),
    Max(Number.MAX_SAFE_INTEGER),
    Min(1),
    IsInt(),
    ApiPropertyOptional({ type: 'integer', minimum: 1 }),
  );
/** A range of addresses, or one of them. */
const IsNetwork = () =>
  RuleWithin('isNetwork', (value) =>
    typeof value === 'string' && (isCidr(value) || isIP(value) > 0)
      ? []
      : [{ place: '', problem: 'must be a range of addresses, such as 203.0.113.0/24' }],
  );
const BUNDLE_STATES = ['offered', 'fetched', 'applied', 'failed'] as const;

/** What a list of sites can be narrowed by; all of them combine. */
export class SiteFilter {
  /** Id or name of a group. */
  @MayBeAbsent() @MaxLength(255) @IsNotEmpty() @IsString() group?: string;
  /** Id or name of a group that the site is not in. */
  @MayBeAbsent() @MaxLength(255) @IsNotEmpty() @IsString() notGroup?: string;
  /** `key=value`, or a key with whatever value; given several times, all of them must match. */
  @LabelList() label?: string[];
  /** Likewise labels that the site has not, none of them. */
  @LabelList() notLabel?: string[];
  /** Whether it has a label at all. */
  @QueryBoolean() labelled?: boolean;
  /** The provisioning key that the site was claimed with. */
  @MayBeAbsent() @MaxLength(64) @IsString() keyId?: string;
  /** The generation of the key that it was claimed with. */
  @PositiveInt() generation?: number;
  /** The provisioning profile that the site has. */
  @PositiveInt() profileId?: number;
  /** The provisioning template that the site was claimed with. */
  @PositiveInt() templateId?: number;
  @MayBeAbsent() @MaxLength(128) @IsString() hardwareId?: string;
  @MayBeAbsent() @MaxLength(64) @IsString() agentVersion?: string;
  /** Its agent has said another version. */
  @MayBeAbsent() @MaxLength(64) @IsString() notAgentVersion?: string;
  @MayBeAbsent() @IsInstant() createdAfter?: string;
  @MayBeAbsent() @IsInstant() createdBefore?: string;
  /** A site that is online is seen now. */
  @MayBeAbsent() @IsInstant() lastSeenAfter?: string;
  /** Sites that have been seen, but not since. */
  @MayBeAbsent() @IsInstant() lastSeenBefore?: string;
  /** A range of addresses that the site was claimed from, or that its agent connected from last. */
  @MayBeAbsent() @IsNetwork() @MaxLength(64) @IsString() network?: string;
  /** What became of the bundle that the site is offered. */
  @MayBeAbsent()
  @IsIn(BUNDLE_STATES)
  @ApiPropertyOptional({ enum: BUNDLE_STATES })
  bundleState?: (typeof BUNDLE_STATES)[number];
  /** Its current credential ends before that. */
  @MayBeAbsent() @IsInstant() credentialExpiresBefore?: string;
  /** Whether anything is odd about it. */
  @QueryBoolean() odd?: boolean;
  @MayBeAbsent() @IsIn(ODDITIES) @ApiPropertyOptional({ enum: ODDITIES }) oddity?: Oddity;
  @MayBeAbsent() @IsIn(STATUSES) @ApiPropertyOptional({ enum: STATUSES }) status?: (typeof STATUSES)[number];
  /** The state in one word. */
  @MayBeAbsent() @IsIn(SITE_STATES) @ApiPropertyOptional({ enum: SITE_STATES }) state?: SiteState;
  @QueryBoolean() online?: boolean;
  /** Part of the name, niceId, description, hardware id, newt id or the machine's host name, any case; or an address that it was claimed or connected from last, of IPv4 also its first two or three octets. */
  @MayBeAbsent() @MaxLength(255) @IsString() query?: string;
}

const SORT = ['name', 'megabytesIn', 'megabytesOut', 'state', 'createdAt', 'lastSeenAt', 'agentVersion'] as const;

export class ListSitesQuery extends IntersectionType(PageQuery, SiteFilter) {
  /** The provisioning profile that the site has. */
  @QueryInt(1, Number.MAX_SAFE_INTEGER) override profileId?: number;
  /** The provisioning template that the site was claimed with. */
  @QueryInt(1, Number.MAX_SAFE_INTEGER) override templateId?: number;
  /** The generation of the key that it was claimed with. */
  @QueryInt(1, Number.MAX_SAFE_INTEGER) override generation?: number;
  /** The `next` of the page before: goes on behind its last row, however far that is. Instead of `page` and `offset`. */
  @MayBeAbsent() @MaxLength(2000) @IsString() cursor?: string;
  @MayBeAbsent() @IsIn(SORT) @ApiPropertyOptional({ enum: SORT }) sort_by?: (typeof SORT)[number];
  @MayBeAbsent() @IsIn(['asc', 'desc']) @ApiPropertyOptional({ enum: ['asc', 'desc'] }) order?: 'asc' | 'desc';
}

/** Fields that Gatehouse adds after those that clients know. */
export class SiteOrigin {
  /** The state in one word, the same wherever it is told; `status` and `online` are parts of it. */
  @ApiProperty({ enum: SITE_STATES }) state: SiteState;
  @ApiProperty({ format: 'uuid' }) deviceId: string;
  /** What people say of it. */
  description: string | null;
  hardwareId: string | null;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } }) labels: Record<string, string>;
  @ApiProperty({ type: [Number] }) groupIds: number[];
  /** The provisioning key, its generation and template that this site was claimed with; kept for ever. */
  keyId: string | null;
  keyGeneration: number | null;
  templateId: number | null;
  /** The provisioning profile whose bootstrap the site is started with; of its template when it was claimed, null for one made by hand. */
  profileId: number | null;
  claimId: number | null;
  /** The address that the claim came from. */
  claimedFrom: string | null;
  /** What is odd about it: seen at its claim, or later. */
  @ApiProperty({ enum: ODDITIES, isArray: true }) oddities: Oddity[];
  agentVersion: string | null;
  lastSeenAt: Date | null;
  createdAt: Date;
  /** Who set the present status, when it was set by somebody. */
  decidedBy: string | null;
  decidedAt: Date | null;
  decisionNote: string | null;
  /** Set while an approved site is put back to pending. */
  suspendedAt: Date | null;
  revokedAt: Date | null;
  /** How long the site may be offline before it is removed by itself; null: for ever. */
  ephemeralSeconds: number | null;
}

/** A site as docs/integration-api.md §3.3 has it; fields about exit nodes are null while there are none. */
export class SiteRow extends SiteOrigin {
  siteId: number;
  orgId: string;
  niceId: string;
  exitNodeId: number | null;
  networkId: number | null;
  name: string;
  pubKey: string | null;
  subnet: string | null;
  @ApiProperty({ type: 'number', format: 'double' }) megabytesIn: number;
  @ApiProperty({ type: 'number', format: 'double' }) megabytesOut: number;
  lastBandwidthUpdate: string | null;
  @ApiProperty({ enum: TYPES }) type: (typeof TYPES)[number];
  online: boolean;
  /** Seconds since 1970. */
  lastPing: number | null;
  /** `a.b.c.d/prefix` */
  address: string | null;
  endpoint: string | null;
  publicKey: string | null;
  lastHolePunch: number | null;
  listenPort: number | null;
  dockerSocketEnabled: boolean;
  @ApiProperty({ enum: STATUSES }) status: (typeof STATUSES)[number];
  autoUpdateEnabled: boolean;
  autoUpdateOverrideOrg: boolean;
  /** Ranges behind the site, comma-separated, as they were sent. */
  remoteSubnets: string | null;
}

/** How the last session of a site that is over ended. */
export class SiteDisconnect {
  at: Date;
  @ApiProperty({ enum: SESSION_ENDS }) reason: SessionEnd;
}

export class SiteView extends SiteRow {
  newtId: string | null;
  newtVersion: string | null;
  /** Version of the desired state, and the one that the agent last applied. */
  desiredVersion: number;
  appliedVersion: number | null;
  appliedError: string | null;
  /** Source address of the session that it has now, and since when; null: offline. */
  connectedFrom: string | null;
  connectedSince: Date | null;
  /** The last session that ended; null: none did that is known of. */
  @ApiProperty({ type: () => SiteDisconnect, nullable: true }) lastDisconnect: SiteDisconnect | null;
  /** What the agent says of its machine; null before it has connected. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true }) facts: Record<string, unknown> | null;
}

export class CreatedSiteView extends SiteRow {
  /** Of type newt only. */
  newtId?: string;
  /** Shown once; of type newt only. */
  secret?: string;
}

export class SiteItem extends SiteOrigin {
  siteId: number;
  niceId: string;
  name: string;
  pubKey: string | null;
  subnet: string | null;
  @ApiProperty({ type: 'number', format: 'double' }) megabytesIn: number;
  @ApiProperty({ type: 'number', format: 'double' }) megabytesOut: number;
  orgName: string;
  @ApiProperty({ enum: TYPES }) type: (typeof TYPES)[number];
  /** Left out for type local. */
  online?: boolean;
  address: string | null;
  newtVersion: string | null;
  exitNodeId: number | null;
  exitNodeName: string | null;
  exitNodeEndpoint: string | null;
  remoteExitNodeId: string | null;
  resourceCount: number;
  @ApiProperty({ enum: STATUSES }) status: (typeof STATUSES)[number];
  newtUpdateAvailable: boolean;
}

export class SiteList {
  sites: SiteItem[];
  pagination: PagePagination;
  /** Give it as `cursor` for what follows; null: nothing does. */
  next: string | null;
}

/** What a create-site call may send; reserved for ten minutes. */
export class SiteDefaults {
  exitNodeId: number | null;
  address: string | null;
  publicKey: string | null;
  name: string | null;
  listenPort: number | null;
  endpoint: string | null;
  subnet: string | null;
  newtId: string;
  newtSecret: string;
  /** Without prefix length. */
  clientAddress: string;
}
