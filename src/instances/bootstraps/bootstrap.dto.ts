import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsObject, IsString, Max, Min, ValidateNested } from 'class-validator';
import { BodyExample, MayBeAbsent, OffsetPagination, QueryBoolean, QueryInt } from '#platform';
import { RolloutSettings } from '../rollouts/rollout-settings.js';

const EXAMPLE = `env:
  DATABASE_URL: "postgres://app:{{secret.DB_PASSWORD | uri}}@db.internal/app"
  INSTANCE: "{{site.niceId}}"
files:
  - path: config/app.yaml
    content: |
      listen: 8080
run:
  onChange: restart
  ready: { http: "http://127.0.0.1:8080/healthz" }
`;

const LAST_REVISION = 1_000_000_000;

/** How the change goes from site to site, beside a body that is the document itself; a body of JSON says it in `rollout`. */
export class RolloutQuery {
  /** Sites that get it first, alone [1]. */
  @QueryInt(0, 1000) canary?: number;
  /** Sites per minute after that [a tenth of the sites]; 0: all at once. */
  @QueryInt(0, 1_000_000) perMinute?: number;
  /** It stops when more than so many of the sites that got it have failed [5]. */
  @QueryInt(0, 100) stopAtFailurePercent?: number;
}

export class SaveBootstrapQuery extends RolloutQuery {
  /** Say what would change, and change nothing. */
  @QueryBoolean() dryRun?: boolean;
}

export class ReadBootstrapQuery {
  /** An earlier one [the current]. */
  @QueryInt(1, LAST_REVISION) revision?: number;
}

/** The document as text. Or send the YAML itself as application/yaml. */
@BodyExample({ document: EXAMPLE, rollout: { canary: 1, perMinute: 60 } }, EXAMPLE)
export class SaveBootstrapBody {
  /** YAML or JSON, at most 256 KB. */
  @IsString() document: string;
  @MayBeAbsent() @ValidateNested() @IsObject() @Type(() => RolloutSettings) rollout?: RolloutSettings;
}

@BodyExample({ revision: 3 })
export class RevertBootstrapBody {
  /** Whose document becomes the current one again, as a new revision. */
  @IsInt() @Min(1) @Max(LAST_REVISION) revision: number;
  @MayBeAbsent() @ValidateNested() @IsObject() @Type(() => RolloutSettings) rollout?: RolloutSettings;
}

/** What is allowed and probably not meant. */
export class BootstrapWarning {
  /** Where in the document, such as `env.DATABASE_URL`. */
  path: string;
  message: string;
  line: number;
  column: number;
}

export class BootstrapView {
  profileId: number;
  revision: number;
  /** The newest; null: the profile has no bootstrap any more. */
  currentRevision: number | null;
  /** What sites get that no rollout has reached; null: none yet. */
  settledRevision: number | null;
  /** As it was written. */
  document: string;
  createdBy: string;
  createdAt: Date;
}

/** The job that brings a change to sites. */
export class StartedRollout {
  jobId: number;
}

export class DeletedBootstrap {
  /** Null: no site had it. */
  @ApiProperty({ type: StartedRollout, nullable: true }) rollout: StartedRollout | null;
}

export class SavedBootstrap {
  profileId: number;
  /** The current revision: a new one, or the one before when the document is the same. */
  revision: number;
  /** Null: no site is under the profile, or nothing changed. */
  @ApiProperty({ type: StartedRollout, nullable: true }) rollout: StartedRollout | null;
  warnings: BootstrapWarning[];
}

export class BootstrapSite {
  siteId: number;
  niceId: string;
  name: string;
}

/** `total`, and the first hundred of them. */
export class BootstrapSites {
  total: number;
  sites: BootstrapSite[];
}

export class BootstrapPlan {
  currentRevision: number | null;
  /** From the current document to this one, as `diff -u` says it; empty: nothing would change. */
  diff: string;
  /** Sites that are started with it. */
  sites: BootstrapSites;
  warnings: BootstrapWarning[];
}

export class BootstrapRevisionView {
  revision: number;
  /** It is the newest, which new rollouts bring. */
  current: boolean;
  /** Names of the secrets that it uses, of those that still exist. */
  secrets: string[];
  createdBy: string;
  createdAt: Date;
}

export class BootstrapRevisionList {
  /** Newest first. */
  revisions: BootstrapRevisionView[];
  pagination: OffsetPagination;
}
