import { applyDecorators, HttpCode, SetMetadata, type Type } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiHeader,
  ApiProperty,
  type ApiPropertyOptions,
  ApiQuery,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';

export const RESPONSE = 'gatehouse:response';

export interface ResponseOptions {
  /** Success status [200]. */
  status?: number;
  /** The English sentence of the envelope. */
  message: string;
  /** `data` may be null as well. */
  nullable?: boolean;
  /** `data` may be this instead, as the request chooses. */
  or?: Type<unknown>;
  /** No envelope: the returned object is the body. */
  bare?: boolean;
  /** Further success statuses that a handler may choose with `ApiResult`, and what they mean. */
  also?: Record<number, string>;
  /** Takes an Idempotency-Key [when the status is 201]; or which bodies, as they were sent, make it do so. */
  creates?: boolean | ((body: unknown) => boolean);
  /** The whole list can be asked for as CSV or JSON lines: the handler takes the format by `ExportAs` and returns what `Exports` started. */
  exports?: boolean;
  /** The answer carries an ETag: the handler returns an `ApiResult` with a version. */
  versioned?: boolean;
}

/** A handler's result with a status or message of its own choosing, or with the version of the object, which becomes its ETag. */
export class ApiResult<T> {
  constructor(
    readonly data: T,
    readonly options: { status?: number; message?: string; version?: number } = {},
  ) {}
}

type Model = Type<unknown> | [Type<unknown>] | null | 'empty';

/** Declares what a route answers: the model of `data` (null, `'empty'` for {}, [Model] for an array), status and message. */
export function Returns(model: Model, options: ResponseOptions): MethodDecorator {
  const status = options.status ?? 200;
  const body = options.bare ? (model as Type<unknown>) : envelopeOf(model, options.nullable, options.or);
  return applyDecorators(
    SetMetadata(RESPONSE, options),
    HttpCode(status),
    ApiExtraModels(body, ...(options.or ? [model as Type<unknown>, options.or] : [])),
    ...Object.entries({ [status]: options.message, ...options.also }).map(([code, description]) =>
      ApiResponse({
        status: Number(code),
        description,
        ...(options.exports
          ? { content: contentWithExports(getSchemaPath(body)) }
          : { schema: { $ref: getSchemaPath(body) } }),
        ...(options.versioned ? { headers: ETAG } : {}),
      }),
    ),
    ...(options.exports ? [FORMAT_PARAMETER] : []),
    ...((options.creates ?? status === 201) ? [IDEMPOTENCY_HEADER] : []),
  );
}

const ETAG = { ETag: { description: 'Version of the object, for `If-Match`', schema: { type: 'string' as const } } };

const FORMAT_PARAMETER = ApiQuery({
  name: 'format',
  required: false,
  description: 'The whole list as a file, without pages; `Accept` says the same',
  schema: { type: 'string', enum: ['csv', 'jsonl'] },
});

const contentWithExports = ($ref: string) => ({
  'application/json': { schema: { $ref } },
  'text/csv': { schema: { type: 'string' as const } },
  'application/x-ndjson': { schema: { type: 'string' as const } },
});

const IDEMPOTENCY_HEADER = ApiHeader({
  name: 'Idempotency-Key',
  required: false,
  description: 'The same key and body get the same answer for 24 hours; another body is 409',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
});

/** Documents a second success with a body of its own, which the handler chooses with `ApiResult`. */
export const AlsoReturns = (status: number, model: Type<unknown>, description: string): MethodDecorator =>
  applyDecorators(
    ApiExtraModels(envelopeOf(model)),
    ApiResponse({ status, description, schema: { $ref: getSchemaPath(envelopeOf(model)) } }),
  );

function dataSchema(model: Model, nullable: boolean, or?: Type<unknown>): ApiPropertyOptions {
  if (or) return { oneOf: [model as Type<unknown>, or].map((one) => ({ $ref: getSchemaPath(one) })) };
  if (model === null) return { nullable: true, type: 'object', maxProperties: 0, additionalProperties: false };
  if (model === 'empty') return { type: 'object', maxProperties: 0, additionalProperties: false };
  return { type: () => model, ...(nullable ? { nullable } : {}) };
}

/** The success envelope (docs/integration-api.md §1.2), without its `data`. */
class Success {
  @ApiProperty({ enum: [true] }) success: boolean;
  @ApiProperty({ enum: [false] }) error: boolean;
  @ApiProperty() message: string;
  @ApiProperty({ type: 'integer' }) status: number;
}

const envelopes = new Map<string, Type<unknown>>();

/** The envelope around a model as a schema with a name, `SiteListResponse`: generators make a type of it once, and call it so. */
function envelopeOf(model: Model, nullable = false, or?: Type<unknown>): Type<unknown> {
  const name = `${envelopeName(model)}${or ? `Or${or.name}` : ''}${nullable ? 'OrNull' : ''}Response`;
  let envelope = envelopes.get(name);
  if (!envelope) {
    class Envelope extends Success {
      @ApiProperty(dataSchema(model, nullable, or)) data: unknown;
    }
    Object.defineProperty(Envelope, 'name', { value: name });
    envelopes.set(name, (envelope = Envelope));
  }
  return envelope;
}

function envelopeName(model: Model): string {
  if (model === null) return 'Null';
  if (model === 'empty') return 'Empty';
  return Array.isArray(model) ? `${model[0].name}Array` : model.name;
}

/** The error envelope (docs/integration-api.md §1.3) with a stable `code` beside the message. */
export class ErrorBody {
  /**
   * Null, unless the route says more: what still uses a thing that was to be deleted; with a 401 for who proves
   * a site credential whose site is over, the statement to believe (docs/instances.md §3).
   */
  @ApiProperty({ type: 'object', nullable: true, additionalProperties: true }) data: object | null;
  @ApiProperty({ enum: [false] }) success: boolean;
  @ApiProperty({ enum: [true] }) error: boolean;
  @ApiProperty() message: string;
  @ApiProperty({ type: 'integer' }) status: number;
  @ApiProperty({ type: 'string', nullable: true }) stack: null;
  /** Stable name of the error. */
  @ApiProperty() code: string;
  /** The fields that were wrong, when the request itself was. */
  @ApiProperty({
    required: false,
    type: 'array',
    items: {
      type: 'object',
      required: ['path', 'problem'],
      properties: { path: { type: 'string' }, problem: { type: 'string' } },
    },
  })
  fields?: { path: string; problem: string }[];
}

const MEANING: Record<number, string> = {
  400: 'The request is not of the right shape; the message names the field',
  401: 'No usable credential',
  403: 'The credential does not allow this',
  404: 'No such object in reach of the credential',
  409: 'Conflicts with what is there',
  412: 'Stale: the object changed meanwhile',
  413: 'The body is too large',
  429: 'Too many refused requests; `Retry-After` says when to come back',
  503: 'Not possible at the moment; `Retry-After` says when to come back',
};

/** Documents the error answers of a route. */
export const ErrorResponses = (...statuses: number[]) =>
  applyDecorators(
    ApiExtraModels(ErrorBody),
    ...statuses.map((status) =>
      ApiResponse({ status, description: MEANING[status], schema: { $ref: getSchemaPath(ErrorBody) } }),
    ),
  );
