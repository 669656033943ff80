import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, Matches } from 'class-validator';
import { MayBeAbsent, OffsetPagination, PageQuery } from '#platform';

export const EXPIRING_KINDS = [
  'site_provisioning_key',
  'api_key',
  'site_credential',
  'certificate_authority',
  'invitation',
  'access_token',
] as const;
export type ExpiringKind = (typeof EXPIRING_KINDS)[number];

export const WITHIN = /^(\d{1,9})([smhd]?)$/;
export const DEFAULT_WITHIN = '30d';

export class ExpiringQuery extends PageQuery {
  /** How far to look ahead, at most ten years: seconds, or with `m`, `h`, `d` minutes, hours, days [30d]. */
  @MayBeAbsent()
  @Matches(WITHIN, { message: 'within must be a number of seconds, or one with m, h or d, such as 30d' })
  @ApiPropertyOptional({ type: 'string', pattern: WITHIN.source, default: DEFAULT_WITHIN })
  within?: string;
  /** This kind alone; a page beyond the first is of one kind. */
  @MayBeAbsent() @IsIn(EXPIRING_KINDS) @ApiPropertyOptional({ enum: EXPIRING_KINDS }) kind?: ExpiringKind;
}

export class ExpiringItem {
  @ApiProperty({ enum: EXPIRING_KINDS }) kind: ExpiringKind;
  id: string;
  /** Of a credential its site's, of an invitation the address, of an access token its title or else its resource's. */
  name: string;
  endsAt: Date;
  /** Of a site's credential. */
  siteId: number | null;
}

export class ExpiringCount {
  @ApiProperty({ enum: EXPIRING_KINDS }) kind: ExpiringKind;
  total: number;
}

export class ExpiringList {
  /** Until when was looked. */
  until: Date;
  /** By their ends: of each kind at most the page, the earliest first. */
  items: ExpiringItem[];
  /** How many of each kind there are. Kinds that the caller may not read are not there. */
  counts: ExpiringCount[];
  pagination: OffsetPagination;
}
