import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsIn,
  IsIP,
  IsNotEmpty,
  IsString,
  Matches,
  MaxLength,
} from 'class-validator';
import { NICE_ID_RULE } from '#contracts';
import { BodyExample, IsName, MayBeAbsent, PagePagination, QueryBoolean, SearchQuery, TextField } from '#platform';
import { CLIENT_ID, CLIENT_ID_PROBLEM, CLIENT_SECRET, CLIENT_SECRET_PROBLEM } from '../sites/index.js';

const APPROVAL_STATES = ['pending', 'approved', 'denied'] as const;
export const CLIENT_STATUSES = ['active', 'blocked', 'archived'] as const;
export type ClientStatus = (typeof CLIENT_STATUSES)[number];
export const DEVICE_STATUSES = ['active', 'pending', 'denied', 'blocked', 'archived'] as const;
export type DeviceStatus = (typeof DEVICE_STATUSES)[number];
const SORT = ['name', 'megabytesIn', 'megabytesOut'] as const;
const ORDER = ['asc', 'desc'] as const;
const AGENTS = ['windows', 'android', 'cli', 'olm', 'macos', 'ios', 'ipados', 'unknown'] as const;

/** docs/integration-api.md §3.12; the values of pick-client-defaults, as a rule. */
@BodyExample({
  name: 'Build server',
  type: 'olm',
  subnet: '100.90.128.20',
  olmId: 'olm1a2b3c4d5e6f',
  secret: 'of-pick-client-defaults-0123456789abcdef0123456789',
})
export class CreateClientBody {
  @IsName() @MaxLength(255) @IsNotEmpty() @IsString() name: string;
  /** 8 to 64 of [A-Za-z0-9_-], unique in the installation. */
  @Matches(CLIENT_ID, CLIENT_ID_PROBLEM) olmId: string;
  /** 16 to 128 of [A-Za-z0-9_-]; never answered again. */
  @Matches(CLIENT_SECRET, CLIENT_SECRET_PROBLEM) secret: string;
  /** A free address of the organization's ranges, without prefix length. */
  @IsIP(4) @ApiProperty({ type: 'string', format: 'ipv4' }) subnet: string;
  @IsIn(['olm']) @ApiProperty({ enum: ['olm'] }) type: 'olm';
}

/** At least one field. */
@BodyExample({ name: 'Build server two' })
export class UpdateClientBody {
  @MayBeAbsent() @IsName() @MaxLength(255) @IsNotEmpty() @IsString() name?: string;
  @TextField(NICE_ID_RULE, 'optional') niceId?: string;
}

/** A comma list in the query. */
const CommaList = () =>
  Transform(({ value }) => (typeof value === 'string' ? value.split(',') : value), { toClassOnly: true });

class ClientFilter extends SearchQuery {
  @MayBeAbsent() @IsIn(ORDER) @ApiPropertyOptional({ enum: ORDER }) declare order?: (typeof ORDER)[number];
  /** There are no traffic counters yet: by megabytes is by name. */
  @MayBeAbsent() @IsIn(SORT) @ApiPropertyOptional({ enum: SORT }) sort_by?: (typeof SORT)[number];
  /** Nothing is online before clients have a tunnel. */
  @QueryBoolean() online?: boolean;
}

export class ListClientsQuery extends ClientFilter {
  /** Comma list; `active` when absent. */
  @CommaList()
  @MayBeAbsent()
  @IsIn(CLIENT_STATUSES, { each: true })
  @ArrayUnique()
  @ArrayNotEmpty()
  @IsArray()
  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'string', enum: [...CLIENT_STATUSES] },
    uniqueItems: true,
    minItems: 1,
  })
  status?: ClientStatus[];
}

export class ListUserDevicesQuery extends ClientFilter {
  /** Comma list; `active,pending` when absent. */
  @CommaList()
  @MayBeAbsent()
  @IsIn(DEVICE_STATUSES, { each: true })
  @ArrayUnique()
  @ArrayNotEmpty()
  @IsArray()
  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'string', enum: [...DEVICE_STATUSES] },
    uniqueItems: true,
    minItems: 1,
  })
  status?: DeviceStatus[];
  /** The program that the device runs; not known of any yet. */
  @MayBeAbsent() @IsIn(AGENTS) @ApiPropertyOptional({ enum: AGENTS }) agent?: (typeof AGENTS)[number];
}

/** A client as docs/integration-api.md §3.12 has it; fields about its tunnel are null while there is none. */
export class ClientView {
  clientId: number;
  orgId: string;
  exitNodeId: number | null;
  /** null: a machine. */
  userId: string | null;
  niceId: string;
  name: string;
  pubKey: string | null;
  olmId: string;
  /** `a.b.c.d/prefix` */
  subnet: string;
  @ApiProperty({ type: 'number', format: 'double' }) megabytesIn: number;
  @ApiProperty({ type: 'number', format: 'double' }) megabytesOut: number;
  lastBandwidthUpdate: string | null;
  lastPing: number | null;
  @ApiProperty({ enum: ['olm'] }) type: 'olm';
  online: boolean;
  lastHolePunch: number | null;
  archived: boolean;
  blocked: boolean;
  @ApiProperty({ enum: [...APPROVAL_STATES, null], nullable: true, type: 'string' }) approvalState:
    | (typeof APPROVAL_STATES)[number]
    | null;
}

/** A site that a client reaches. */
export class ClientSite {
  siteId: number;
  siteName: string;
  siteNiceId: string;
}

export class ClientItem extends ClientView {
  /** Those of the private resources that it was granted. */
  @ApiProperty({ type: [ClientSite] }) sites: ClientSite[];
}

export class ClientList {
  @ApiProperty({ type: [ClientItem] }) clients: ClientItem[];
  pagination: PagePagination;
}

export class UserDeviceItem extends ClientView {
  username: string;
  userEmail: string;
  agent: string | null;
}

export class UserDeviceList {
  @ApiProperty({ type: [UserDeviceItem] }) devices: UserDeviceItem[];
  pagination: PagePagination;
}

/** What a create-client call sends; the address is reserved for ten minutes. */
export class ClientDefaults {
  olmId: string;
  olmSecret: string;
  /** Without prefix length. */
  subnet: string;
}
