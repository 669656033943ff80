import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsNotEmpty, IsString, MaxLength } from 'class-validator';
import {
  ANY_VALUE,
  BodyExample,
  IsName,
  MayBeAbsent,
  OffsetPagination,
  PageQuery,
  QueryBoolean,
  QueryInt,
} from '#platform';

const EXAMPLE = `private-resources:
  printer:
    name: Printer
    mode: host
    destination: 192.168.1.20
    site: press-14
`;

export class ApplyBlueprintQuery {
  /** Answer the plan and change nothing. */
  @QueryBoolean() dryRun?: boolean;
}

export const SOURCES = ['API', 'UI', 'CLI'] as const;
export type Source = (typeof SOURCES)[number];

/** A document in base64, or, with `name` or `source`, as text. Or send the YAML itself as application/yaml. */
@BodyExample({ name: 'Printers of hall B', source: 'CLI', blueprint: EXAMPLE }, EXAMPLE)
export class ApplyBlueprintBody {
  /** The document, JSON or YAML: base64 when it comes alone, else its text. */
  @IsString() blueprint: string;
  /** What the history calls it. */
  @MayBeAbsent() @IsName() @MaxLength(255) @IsNotEmpty() @IsString() name?: string;
  /** Where it was written; UI when only a name is given. */
  @MayBeAbsent() @IsIn(SOURCES) @ApiPropertyOptional({ enum: SOURCES }) source?: Source;
}

/** Here a limit may be 0: the total alone (docs/integration-api.md §3.13). */
export class ListBlueprintsQuery extends PageQuery {
  @QueryInt(0, 1000) declare limit?: number;
}

export const OWNING_KINDS = ['file', 'newt', 'labels'] as const;
export type OwningKind = (typeof OWNING_KINDS)[number];

export class ExportBlueprintQuery {
  /** Whose objects: those of the site's blueprint file, of its unmodified newt, or of its containers. */
  @MayBeAbsent() @IsIn(OWNING_KINDS) @ApiPropertyOptional({ enum: OWNING_KINDS, default: 'file' }) kind?: OwningKind;
}

export class BlueprintExport {
  /** YAML. A secret is a template, to be filled in from the agent's environment. */
  contents: string;
}

export class ChangeView {
  @ApiProperty({ enum: ['create', 'update', 'delete'] }) action: 'create' | 'update' | 'delete';
  @ApiProperty({ enum: ['public-resource', 'private-resource', 'target', 'rule', 'site', 'role'] }) type:
    | 'public-resource'
    | 'private-resource'
    | 'target'
    | 'rule'
    | 'site'
    | 'role';
  /** The entry's key in the document; the name of a role. */
  key: string;
  fields: string[];
}

export class DriftedFieldView {
  @ApiProperty({ enum: ['public-resource', 'private-resource'] }) type: 'public-resource' | 'private-resource';
  key: string;
  field: string;
  @ApiProperty(ANY_VALUE) file: unknown;
  @ApiProperty(ANY_VALUE) current: unknown;
}

export class PlanView {
  /** Empty: the document is as it is applied. */
  changes: ChangeView[];
  /** Fields that somebody changed since the file was applied; applying sets them back. */
  drift: DriftedFieldView[];
}

export class BlueprintView {
  blueprintId: number;
  name: string;
  /** NEWT: a document that came from a site, whichever agent runs there. */
  @ApiProperty({ enum: ['API', 'UI', 'NEWT', 'CLI'] }) source: 'API' | 'UI' | 'NEWT' | 'CLI';
  succeeded: boolean;
  orgId: string;
  /** Seconds since 1970. */
  createdAt: number;
}

export class BlueprintRecord extends BlueprintView {
  message: string;
  /** YAML, without secrets. */
  contents: string;
}

export class BlueprintList {
  blueprints: BlueprintView[];
  pagination: OffsetPagination;
}
