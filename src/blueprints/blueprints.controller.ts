import { Body, Controller, Get, Put, Query } from '@nestjs/common';
import { ApiBody, ApiTags } from '@nestjs/swagger';
import {
  Access,
  AlsoReturns,
  ApiResult,
  Caller,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  invalid,
  OrgId,
  type Principal,
  Returns,
  TakesDocument,
  textOf,
  validationPipe,
} from '#platform';
import {
  ApplyBlueprintBody,
  ApplyBlueprintQuery,
  BlueprintExport,
  BlueprintList,
  BlueprintRecord,
  ExportBlueprintQuery,
  ListBlueprintsQuery,
  PlanView,
  type Source,
} from './blueprints.dto.js';
import { BlueprintsService } from './blueprints.service.js';
import { HistoryService } from './history.service.js';

const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;
const bodies = validationPipe();

/** A document as it came, and what the history says of it. */
interface Sent {
  text: string;
  said?: { name?: string; source: Source };
}

/**
 * The body itself as YAML, or an object. In that the document is base64, but for clients that also say where it comes from: those send the
 * text (docs/integration-api.md §3.13). @throws validation
 */
async function sentIn(body: unknown): Promise<Sent> {
  if (typeof body === 'string') return { text: body };
  const { blueprint, name, source }: ApplyBlueprintBody = await bodies.transform(body ?? {}, {
    type: 'body',
    metatype: ApplyBlueprintBody,
  });
  if (name !== undefined || source !== undefined)
    return { text: blueprint, said: { source: source ?? 'UI', ...(name === undefined ? {} : { name }) } };
  if (!BASE64.test(blueprint.replace(/\s/g, '')))
    throw invalid('blueprint', 'blueprint must be the base64 of a document');
  const text = textOf(Buffer.from(blueprint, 'base64'));
  if (text === null) throw invalid('blueprint', 'the document is not UTF-8');
  return { text };
}

/** Documents of operators (docs/integration-api.md §3.13). */
@ApiTags('Blueprints')
@Controller('org/:orgId')
export class BlueprintsController {
  constructor(
    private readonly blueprints: BlueprintsService,
    private readonly history: HistoryService,
  ) {}

  /** Apply a blueprint, or see what it would do (`dryRun=true`); one with a name or source is text and answers its record */
  @Put('blueprint')
  @Access('applyBlueprint')
  @ErrorResponses(409)
  @TakesDocument()
  @ApiBody({ type: ApplyBlueprintBody })
  @AlsoReturns(200, PlanView, 'The plan, with dryRun')
  @Returns(BlueprintRecord, { status: 201, message: 'Blueprint applied successfully', nullable: true })
  async applyBlueprint(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ApplyBlueprintQuery,
    @Body() body: unknown,
  ) {
    const { text, said } = await sentIn(body);
    if (query.dryRun)
      return new ApiResult(await this.blueprints.planFor(orgId, text), {
        status: 200,
        message: 'Blueprint planned; nothing was changed',
      });
    return this.blueprints.applyFor(principal, orgId, text, said);
  }

  /** List what was applied, newest first */
  @Get('blueprints')
  @Access('listBlueprints')
  @Returns(BlueprintList, { message: 'Blueprints retrieved successfully', exports: true })
  listBlueprints(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: ListBlueprintsQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.history.list(principal, orgId, page, format);
  }

  /** Read one application of a blueprint, with its contents */
  @Get('blueprint/:blueprintId')
  @Access('getBlueprint')
  @Returns(BlueprintRecord, { message: 'Blueprint retrieved successfully' })
  getBlueprint(@Caller() principal: Principal, @OrgId() orgId: string, @Id('blueprintId') blueprintId: number) {
    return this.history.get(principal, orgId, blueprintId);
  }
}

@ApiTags('Blueprints')
@Controller('site/:siteId')
export class SiteBlueprintController {
  constructor(private readonly blueprints: BlueprintsService) {}

  /** Read the document that the objects owned by a site's blueprint amount to now */
  @Get('blueprint')
  @Access('getBlueprint')
  @Returns(BlueprintExport, { message: 'Blueprint exported successfully' })
  exportBlueprint(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Query() query: ExportBlueprintQuery,
  ) {
    return this.blueprints.exportOf(principal, orgId, siteId, query.kind ?? 'file');
  }
}
