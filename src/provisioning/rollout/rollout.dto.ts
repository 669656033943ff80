import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsString, Max, MaxLength, Min } from 'class-validator';
import { SITE_STATES, type SiteState } from '#contracts';
import { BodyExample, MayBeAbsent, OffsetPagination, PageQuery, QueryInt, RuleWithin, sizeProblem } from '#platform';
import { HARDWARE_ID } from '../claims/claim-endpoints.dto.js';

/** Of one request and one list. */
const MAX_HARDWARE_IDS = 10_000;
/** A week. */
const MAX_HOURS = 168;
export const DEFAULT_HOURS = 24;

const isHardwareId = (id: unknown) => typeof id === 'string' && HARDWARE_ID.test(id);

/** A device may be there twice, in two spellings too. */
const IsHardwareIds = () =>
  RuleWithin('isHardwareIds', (value) => {
    const size = sizeProblem(value, MAX_HARDWARE_IDS, 1);
    if (size.length > 0) return size.map(({ place, problem }) => ({ place, problem: `${problem} hardware ids` }));
    return (value as unknown[]).flatMap((id, i) =>
      isHardwareId(id) ? [] : [{ place: String(i), problem: 'must be 1 to 128 printable ASCII characters' }],
    );
  });

const HARDWARE_IDS = {
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: 128 },
  minItems: 1,
  maxItems: MAX_HARDWARE_IDS,
} as const;

@BodyExample({ hardwareIds: ['00:1b:44:11:3a:b7', '00:1b:44:11:3a:b8'] })
export class SiteLookupBody {
  /** As they stand on a delivery note: MAC addresses in any spelling. */
  @IsHardwareIds() @ApiProperty(HARDWARE_IDS) hardwareIds: string[];
  /** The key that they were to come by: its template says in which form ids are kept, and sites of other keys are told apart. */
  @MayBeAbsent() @IsString() @MaxLength(64) siteProvisioningKeyId?: string;
}

export const STANDINGS = ['enrolled', 'other_key', 'blocked', 'refused', 'seen_before', 'never_seen'] as const;
export type DeviceStanding = (typeof STANDINGS)[number];

export class DeviceSite {
  siteId: number;
  niceId: string;
  name: string;
  /** The key that it came by; null: it was made by hand. */
  siteProvisioningKeyId: string | null;
}

export class LastRefusal {
  reason: string;
  at: Date;
  /** How often, where refusals were summed up. */
  count: number;
  siteProvisioningKeyId: string | null;
  address: string | null;
}

export class DeviceBlock {
  @ApiProperty({ enum: ['rejected', 'revoked'] }) reason: string;
  note: string | null;
  createdAt: Date;
}

export class DeviceView {
  /** As it is known; one that is not as the key's template would keep it, without a key as it was written. */
  hardwareId: string;
  /**
   * `enrolled`; `other_key`: by another key than the one that was asked for; `blocked`: a tombstone refuses it; `refused`: its claims were;
   * `seen_before`: its site is gone; `never_seen`.
   */
  @ApiProperty({ enum: STANDINGS }) standing: DeviceStanding;
  /** Of its site; null: it has none. */
  @ApiProperty({ enum: SITE_STATES, nullable: true }) state: SiteState | null;
  site: DeviceSite | null;
  /** The newest that is still kept; also of a device that was let in before or afterwards. */
  lastRefusal: LastRefusal | null;
  blocked: DeviceBlock | null;
}

/** How many devices stand how. */
export class DeviceCounts {
  enrolled: number;
  other_key: number;
  blocked: number;
  refused: number;
  seen_before: number;
  never_seen: number;
}

export class SiteLookupView {
  /** In the order of the request, each device once. */
  devices: DeviceView[];
  counts: DeviceCounts;
}

@BodyExample({ hardwareIds: ['00:1b:44:11:3a:b7', '00:1b:44:11:3a:b8'] })
export class ExpectedBody {
  /** Either the devices, */
  @MayBeAbsent() @IsHardwareIds() @ApiPropertyOptional(HARDWARE_IDS) hardwareIds?: string[];
  /** or how many. */
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1_000_000 })
  count?: number;
}

const SOURCES = ['list', 'count', 'maxBatchSize'] as const;

export class ExpectedView {
  /** Null: as many as come. */
  expected: number | null;
  /** Where that is from: the list kept with the key, the number kept with it, or its uses. */
  @ApiProperty({ enum: SOURCES, nullable: true }) expectedBy: (typeof SOURCES)[number] | null;
}

/** A page of the list, in the order of the ids. */
export class ExpectedList extends ExpectedView {
  hardwareIds: string[];
  pagination: OffsetPagination;
}

export class RolloutQuery extends PageQuery {
  /** How many hours of arrivals, up to the present one [24]. */
  @QueryInt(1, MAX_HOURS) hours?: number;
}

export class KeyRefusals {
  reason: string;
  count: number;
  /** To the minute. */
  lastAt: Date;
}

export class KeyArrivals {
  /** The beginning of the hour, in UTC. */
  hour: Date;
  count: number;
}

/** What of the list has not come by this key, in the order of the ids; a page of it. */
export class MissingDevices {
  devices: DeviceView[];
  pagination: OffsetPagination;
}

/** A site that the key made of a machine that nobody listed. */
export class UnexpectedSite {
  siteId: number;
  name: string;
  hardwareId: string | null;
}

export class KeyRolloutView extends ExpectedView {
  siteProvisioningKeyId: string;
  /** Sites that the key has made and that are there. */
  claimed: number;
  /** Those of them that were ever connected; */
  connected: number;
  /** that are approved; */
  approved: number;
  /** that have ever applied their state without an error. */
  configured: number;
  /** Uses of the key: also sites that were deleted since. */
  numUsed: number;
  /** As far as claims are kept, the most frequent first. */
  refusals: KeyRefusals[];
  arrivals: KeyArrivals[];
  /** Sites of the key that are not on its list; null: it has none. */
  unexpected: number | null;
  /** The first 20 of them. */
  unexpectedSites: UnexpectedSite[];
  missing: MissingDevices | null;
}
