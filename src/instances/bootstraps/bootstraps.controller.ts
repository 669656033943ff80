import { Body, Controller, Delete, Get, Post, Put, Query } from '@nestjs/common';
import { ApiBody, ApiTags } from '@nestjs/swagger';
import {
  Access,
  AlsoReturns,
  Caller,
  ChecksVersion,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  IfMatch,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
  TakesDocument,
  validationPipe,
} from '#platform';
import type { RolloutSettings } from '../rollouts/rollout-settings.js';
import {
  BootstrapPlan,
  BootstrapRevisionList,
  BootstrapView,
  DeletedBootstrap,
  ReadBootstrapQuery,
  RevertBootstrapBody,
  RolloutQuery,
  SaveBootstrapBody,
  SaveBootstrapQuery,
  SavedBootstrap,
} from './bootstrap.dto.js';
import { BootstrapChangesService } from './bootstrap-changes.service.js';
import { BootstrapsService } from './bootstraps.service.js';

const bodies = validationPipe();

/** What an instance is started with (docs/instances.md §1). */
@ApiTags('Bootstraps')
@Controller('org/:orgId/provisioning-profile/:profileId/bootstrap')
export class BootstrapsController {
  constructor(
    private readonly bootstraps: BootstrapsService,
    private readonly changes: BootstrapChangesService,
  ) {}

  /** Save the bootstrap of a profile as a new revision, or see what it would do (`dryRun=true`) */
  @Put()
  @Access('updateProvisioningProfile')
  @ChecksVersion()
  @ErrorResponses(409)
  @TakesDocument()
  @ApiBody({ type: SaveBootstrapBody })
  @AlsoReturns(200, BootstrapPlan, 'The plan, with dryRun')
  @Returns(SavedBootstrap, { status: 201, message: 'Bootstrap saved successfully', versioned: true })
  async saveBootstrap(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('profileId') profileId: number,
    @Query() query: SaveBootstrapQuery,
    @Body() body: unknown,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const { document, rollout } = await sentIn(body, query);
    if (query.dryRun) return this.changes.plan(principal, orgId, profileId, { document, ifMatch });
    return this.changes.save(principal, orgId, profileId, { document, rollout, ifMatch });
  }

  /** Read the bootstrap of a profile, or an earlier revision of it */
  @Get()
  @Access('getProvisioningProfile')
  @Returns(BootstrapView, { message: 'Bootstrap retrieved successfully', versioned: true })
  getBootstrap(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('profileId') profileId: number,
    @Query() { revision }: ReadBootstrapQuery,
  ) {
    return this.bootstraps.get(principal, orgId, profileId, revision);
  }

  /** List the revisions of a bootstrap, newest first; those of one that was deleted too */
  @Get('revisions')
  @Access('getProvisioningProfile')
  @Returns(BootstrapRevisionList, { message: 'Revisions retrieved successfully', exports: true })
  listBootstrapRevisions(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('profileId') profileId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.bootstraps.revisions(principal, orgId, profileId, page, format);
  }

  /** Go back to the document of an earlier revision, as a new revision */
  @Post('revert')
  @Access('updateProvisioningProfile')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(SavedBootstrap, { status: 201, message: 'Bootstrap reverted successfully', versioned: true })
  revertBootstrap(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('profileId') profileId: number,
    @Body() { revision, rollout = {} }: RevertBootstrapBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.changes.revert(principal, orgId, profileId, revision, rollout, ifMatch);
  }

  /** Delete the bootstrap of a profile: its sites get empty bundles. Its revisions stay, and others go on counting */
  @Delete()
  @Access('updateProvisioningProfile')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(DeletedBootstrap, { message: 'Bootstrap deleted successfully' })
  deleteBootstrap(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('profileId') profileId: number,
    @Query() rollout: RolloutQuery,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.changes.delete(principal, orgId, profileId, settingsIn(rollout), ifMatch);
  }
}

/** The body itself as YAML, or an object. @throws validation */
async function sentIn(body: unknown, query: RolloutQuery): Promise<{ document: string; rollout: RolloutSettings }> {
  if (typeof body === 'string') return { document: body, rollout: settingsIn(query) };
  const { document, rollout }: SaveBootstrapBody = await bodies.transform(body ?? {}, {
    type: 'body',
    metatype: SaveBootstrapBody,
  });
  return { document, rollout: { ...settingsIn(query), ...rollout } };
}

/** A query has no null: 0 is no pace at all. */
const settingsIn = ({ canary, perMinute, stopAtFailurePercent }: RolloutQuery): RolloutSettings => ({
  ...(canary === undefined ? {} : { canary }),
  ...(perMinute === undefined ? {} : { perMinute: perMinute === 0 ? null : perMinute }),
  ...(stopAtFailurePercent === undefined ? {} : { stopAtFailurePercent }),
});
