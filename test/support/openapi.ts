import Ajv, { type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { canonicalUrl } from '../../libs/platform/http/path-names.js';

type Json = Record<string, unknown>;
interface Operation {
  operationId: string;
  summary?: string;
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: Json }[];
  requestBody?: { content: Record<string, { schema: Json }> };
  responses: Record<string, { content?: Record<string, { schema: Json }> }>;
  security?: Json[];
  'x-scope'?: string;
}
export interface ApiDocument {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json> };
}
export interface DocumentedOperation extends Operation {
  method: string;
  path: string;
}

/** The document of a server under test, ready to judge its answers. */
export class ApiContract {
  private readonly ajv = addFormats.default(new Ajv.default({ strict: false, allErrors: true }));
  private readonly validators = new Map<string, ValidateFunction>();
  private readonly matchers: { method: string; pattern: RegExp; operation: DocumentedOperation }[];

  constructor(readonly document: ApiDocument) {
    for (const [name, schema] of Object.entries(asJsonSchema(document.components.schemas)))
      this.ajv.addSchema(strict(schema, true), `#/components/schemas/${name}`);
    this.matchers = this.operations.map((operation) => ({
      method: operation.method,
      pattern: new RegExp(`^${operation.path.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\w+\}/g, '[^/]+')}$`),
      operation,
    }));
    // A literal path wins over one with a parameter in its place.
    this.matchers.sort(
      (a, b) => (a.operation.path.match(/\{/g)?.length ?? 0) - (b.operation.path.match(/\{/g)?.length ?? 0),
    );
  }

  /** Contracts by server, fetched once. */
  private static readonly known = new Map<string, Promise<ApiContract | undefined>>();

  /** @returns undefined for a server inside the test's own process: its classes were not compiled with the swagger plugin. */
  static of(url: string): Promise<ApiContract | undefined> {
    let contract = this.known.get(url);
    if (!contract) {
      contract = fetch(`${url}/api/openapi.json`).then(async (r) => {
        // A server that stops, or whose database is away, shows none.
        if (!r.ok) {
          this.known.delete(url);
          return undefined;
        }
        const document = (await r.json()) as ApiDocument;
        const compiled =
          Object.keys((document.components.schemas['OffsetPagination']?.['properties'] as Json | undefined) ?? {})
            .length > 0;
        return compiled ? new ApiContract(document) : undefined;
      });
      this.known.set(url, contract);
      contract.catch(() => this.known.delete(url));
    }
    return contract;
  }

  get operations(): DocumentedOperation[] {
    return Object.entries(this.document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
    );
  }

  find(method: string, url: string): DocumentedOperation | undefined {
    const path = canonicalUrl(url).split('?')[0]!;
    return this.matchers.find((m) => m.method === method && m.pattern.test(path))?.operation;
  }

  /** @throws when a documented operation answers with a status or a body that its document does not know. */
  check(method: string, url: string, status: number, body: unknown): void {
    const operation = this.find(method, url);
    if (!operation) return;
    const response = operation.responses[String(status)];
    const what = `${operation.operationId} (${method} ${operation.path}) answered ${status}`;
    if (!response) throw new Error(`${what}, which its document does not know: ${JSON.stringify(body).slice(0, 300)}`);
    const schema = response.content?.['application/json']?.schema;
    if (!schema) return;
    const key = `${operation.operationId} ${status}`;
    // ADR 0036: the one answer that depends on the prefix. Under /v1 a row stands for the list of it.
    const row = operation.operationId === 'updateClient' && url.startsWith('/v1/') && status === 200;
    const { data } = (body ?? {}) as Json;
    if (row && !Array.isArray(data))
      return this.check(method, canonicalUrl(url), status, { ...(body as Json), data: [data] });
    let validate = this.validators.get(key);
    if (!validate) this.validators.set(key, (validate = this.ajv.compile(strict(schema, false))));
    if (!validate(body))
      throw new Error(
        `${what} with a body that its document does not know: ${this.ajv.errorsText(validate.errors)}\n${JSON.stringify(body).slice(0, 600)}`,
      );
  }
}

/** OpenAPI 3.0 says beside a limit that it is excluded; JSON schema says the excluded limit. */
export function asJsonSchema<T>(schema: T): T {
  return JSON.parse(JSON.stringify(schema), (_, value: unknown) => {
    if (typeof value !== 'object' || value === null || (value as Json)['exclusiveMinimum'] !== true) return value;
    const { minimum, ...rest } = value as Json;
    return { ...rest, exclusiveMinimum: minimum };
  }) as T;
}

/**
 * OpenAPI 3.0 as JSON schema: `nullable` becomes a type, and an object that lists its properties has no others. `dto` schemas that say
 * nothing about further properties are closed here; that is the test's own strictness, not the contract's.
 */
function strict(schema: unknown, dto: boolean): Json {
  if (Array.isArray(schema)) return schema.map((s) => strict(s, dto)) as unknown as Json;
  if (typeof schema !== 'object' || schema === null) return schema as unknown as Json;
  const { nullable, example: _example, ...rest } = schema as Json;
  const out: Json = {};
  for (const [key, value] of Object.entries(rest)) {
    out[key] =
      key === 'properties'
        ? Object.fromEntries(Object.entries(value as Json).map(([name, s]) => [name, strict(s, dto)]))
        : key === 'enum' || key === 'required'
          ? value
          : strict(value, dto);
  }
  if (out['properties'] && out['additionalProperties'] === undefined && !out['allOf'])
    out['additionalProperties'] = false;
  if (nullable !== true) return out;
  return { anyOf: [{ type: 'null' }, out] };
}
