import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsString } from 'class-validator';
import { isAddress, isCidr } from '#blueprint';
import { BodyExample, entries, IsInstant, MayBeAbsent, RuleWithin, sizeProblem } from '#platform';
import { JobView } from '../../jobs/index.js';
import { KeyView } from '../../provisioning/index.js';

const MAX_NETWORKS = 100;
const SUSPENDED = ['all', 'new_networks', 'none'] as const;

const IsNetworks = () =>
  RuleWithin('isNetworks', (value) => {
    const size = sizeProblem(value, MAX_NETWORKS);
    if (size.length > 0) return size;
    return entries(value as unknown[], (one) =>
      typeof one === 'string' && (isCidr(one) || isAddress(one)) ? undefined : 'must be an IP address or a CIDR',
    );
  });

/** `disable` or `rotate`, unless it is a dry run. */
@BodyExample({ since: '2026-11-28T00:00:00Z', networks: ['203.0.113.0/24'], disable: true, suspend: 'new_networks' })
export class LeakedKeyBody {
  /** Only say what the key made. */
  @MayBeAbsent() @IsBoolean() dryRun?: boolean;
  /** Since when others may have had it, an instant in ISO 8601 [since it was made]. */
  @MayBeAbsent() @IsInstant() @IsString() since?: string;
  /** Addresses and CIDRs that are known, beside those from which the key was used before `since`. */
  @MayBeAbsent()
  @IsNetworks()
  @ApiPropertyOptional({ type: 'array', items: { type: 'string' }, maxItems: MAX_NETWORKS, uniqueItems: true })
  networks?: string[];
  /** The key makes nothing any more. */
  @MayBeAbsent() @IsBoolean() disable?: boolean;
  /** The key gets another secret; the ones before end at once. */
  @MayBeAbsent() @IsBoolean() rotate?: boolean;
  /** Pause every claim of the organization. */
  @MayBeAbsent() @IsBoolean() pauseClaims?: boolean;
  /** Which approved sites that it made since then are suspended [none]. */
  @MayBeAbsent()
  @IsIn(SUSPENDED)
  @ApiPropertyOptional({ enum: SUSPENDED, default: 'none' })
  suspend?: (typeof SUSPENDED)[number];
}

/** Sites that a key made. */
export class MadeSites {
  /** Networks from which they were claimed. */
  networks: number;
  sites: number;
  /** Of those: in service. */
  approved: number;
  /** Of those: connected now. */
  connected: number;
}

/** Sites that a key made from one network. */
export class MadeFromNetwork {
  /** A /24 of IPv4, a /48 of IPv6; null where the address of the claim is not known. */
  network: string | null;
  /** Given, or used before. */
  known: boolean;
  sites: number;
  approved: number;
  firstAt: Date;
  lastAt: Date;
  /** The first twenty of them. */
  @ApiProperty({ type: [Number] }) siteIds: number[];
}

export class LeakedKeyView {
  dryRun: boolean;
  since: Date | null;
  /** What it made since then from known networks, and from others. */
  known: MadeSites;
  new: MadeSites;
  /** Network by network: new ones first, then by the number of sites; the first hundred. */
  networks: MadeFromNetwork[];
  /** How many sites are suspended by the job, or would be. */
  suspends: number;
  key: KeyView;
  /** The whole key, when it was rotated; shown only here. */
  siteProvisioningKey: string | null;
  /** It suspends the sites; null when there are none to suspend. */
  job: JobView | null;
}
