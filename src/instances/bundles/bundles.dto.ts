import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import type { BundleAckState } from '#contracts';
import { BodyExample, MayBeAbsent, PagePagination, PageQuery, QueryInt } from '#platform';
import type { BundleState } from './bundles.repository.js';

const STATES = ['offered', 'fetched', 'applied', 'failed'] as const satisfies BundleState[];
const ACK_STATES = ['fetched', 'applied', 'failed'] as const satisfies BundleAckState[];
/** Characters of a reason that are read; fewer are kept. */
const MAX_REASON = 4000;

/** What a site says of a version of its bundle. */
@BodyExample({ version: 4294967297, digest: 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg', state: 'applied' })
export class BundleAckBody {
  @Max(Number.MAX_SAFE_INTEGER) @Min(1) @IsInt() version: number;
  /** SHA-256 of the JWS, base64url: the ETag of the bundle without its quotes. */
  @Matches(/^[\w-]{43}$/, { message: 'digest must be 43 characters of base64url' }) digest: string;
  /** `applied`: the program is ready with it. */
  @IsIn(ACK_STATES) @ApiProperty({ enum: ACK_STATES }) state: BundleAckState;
  /** Why it failed; its first 500 characters are kept, in one line. */
  @MayBeAbsent() @MaxLength(MAX_REASON) @IsString() reason?: string;
}

/** What a list of bundles can be narrowed by; all of them combine. */
export class ListBundlesQuery extends PageQuery {
  /** The profile of the site. */
  @QueryInt(1, Number.MAX_SAFE_INTEGER) profileId?: number;
  /** The offered version. */
  @QueryInt(1, Number.MAX_SAFE_INTEGER) version?: number;
  @MayBeAbsent() @IsIn(STATES) @ApiPropertyOptional({ enum: STATES }) state?: BundleState;
}

/** The bundle of a site in a list. */
export class BundleItem {
  siteId: number;
  niceId: string;
  name: string;
  profileId: number | null;
  /** The version that the site is to have. */
  version: number;
  /** Of the bootstrap of its profile; null: there is none, and the bundle is empty. */
  revision: number | null;
  /** What the site said of the version; `failed` too when it was given back the one before: then `returned`. */
  @ApiProperty({ enum: STATES }) state: BundleState;
  reason: string | null;
  /** A version of a rollout failed, and the site is to have what it applied before. */
  returned: boolean;
  changedAt: Date;
  /** The last version that the site said it runs with. */
  appliedVersion: number | null;
  appliedRevision: number | null;
  /** The job of the rollout that the version is of. */
  rolloutId: number | null;
  /** Bundles are sealed for a key of the site. */
  sealed: boolean;
  /** The site is connected by an agent that runs a program with its bundle. Rollouts wait a minute for any other. */
  takesBundles: boolean;
}

export class BundleList {
  bundles: BundleItem[];
  pagination: PagePagination;
}

/** Which version of a secret a bundle holds. */
export class BundleSecret {
  name: string;
  version: number;
}

/** The last lease of a site. */
export class BundleLease {
  expiresAt: Date;
  /** A clone was seen, and the profile holds leases back: nobody gets one until the bundle is sent again. */
  held: boolean;
  /** When a clone was last told of. */
  clonedAt: Date | null;
}

/** The bundle of a site. Fields of a version are null while nothing was ever offered. */
export class BundleView {
  siteId: number;
  profileId: number | null;
  version: number | null;
  revision: number | null;
  @ApiProperty({ type: 'string', enum: STATES, nullable: true }) state: BundleState | null;
  reason: string | null;
  returned: boolean;
  changedAt: Date | null;
  rolloutId: number | null;
  /** By name. */
  secrets: BundleSecret[];
  appliedVersion: number | null;
  appliedRevision: number | null;
  appliedSecrets: BundleSecret[];
  /** RFC 7638 thumbprint of the key that its bundles are sealed for. */
  bundleKeyThumbprint: string | null;
  lease: BundleLease | null;
}
