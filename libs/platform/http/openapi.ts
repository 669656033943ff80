import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, getSchemaPath, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { type PathParameter, TenantResolvers } from '../access/route-access.js';
import { VERSION } from '../version.js';
import { ErrorBody } from './api-responses.js';
import { BODY_EXAMPLES } from './body-example.js';
import { PAGE_OPTIONS } from './docs-page.js';

const DESCRIPTION = `Every operation is served under \`/api/v1\` and under \`/v1\`. Answers come in the envelope
\`{data, success, error, message, status}\`; errors carry a stable \`code\`. \`/v1\` ignores cookies. Requests other than GET that a session
cookie authenticates need the header \`X-CSRF-Token: x-csrf-protection\`. Over TLS at \`DEVICE_TLS_PORT\` a pre-shared key or a client certificate proves a site where its
routes ask for one, without a header.`;

/** Schema of a value of any kind, for `ApiProperty`. null is one of the alternatives: OpenAPI 3.0 knows `nullable` beside a type alone. */
export const ANY_VALUE = {
  oneOf: [
    { type: 'string', nullable: true },
    { type: 'number', format: 'double' },
    { type: 'boolean' },
    { type: 'object' },
    { type: 'array', items: {} },
  ],
};

/** The OpenAPI document of everything that is registered, from the routes' own declarations (`Access`, `Returns`, the DTOs). */
export function buildDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Gatehouse')
    .setDescription(DESCRIPTION)
    .setVersion(VERSION)
    // Every path is whole: some are under `/api/v1`, some at the root.
    .addServer('/')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addBearerAuth(
      {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: '<id>.<secret>',
        description: 'Organization or root API key, `<id>.<secret>`',
      },
      'apiKey',
    )
    .addCookieAuth(
      'gatehouse_session',
      {
        type: 'apiKey',
        in: 'cookie',
        description: 'Session of a logged-in user; `__Host-gatehouse_session` over HTTPS',
      },
      'session',
    )
    .addBearerAuth(
      {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'sk_live_…',
        description: "A site's own credential, `sk_live_…`",
      },
      'deviceKey',
    )
    .addApiKey(
      { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The same as deviceKey, in a header of its own' },
      'deviceKeyHeader',
    )
    .addBasicAuth(
      { type: 'http', scheme: 'basic', description: 'A newt credential: the newt id and its secret' },
      'newt',
    )
    .addBasicAuth(
      {
        type: 'http',
        scheme: 'basic',
        description: 'EST: the hardware id, up to the last colon, and a provisioning key',
      },
      'est',
    )
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', description: 'A session token of the site, as get-token answers it' },
      'sessionToken',
    )
    .build();
  const document = SwaggerModule.createDocument(app, config, { operationIdFactory: (_controller, method) => method });
  const resolvers = app.get(TenantResolvers);
  for (const [path, item] of Object.entries(document.paths)) {
    for (const operation of Object.values(item) as Operation[]) {
      declarePathParameters(path, operation, (name) => resolvers.documented(name));
      declareResponses(operation);
      // Said outright: without it a generator asks for a credential, or takes the operation for an unfinished one.
      operation.security ??= [];
    }
  }
  declareNumbers(document);
  return document;
}

interface Operation {
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: unknown; example?: unknown }> };
  responses: Record<string, { description: string; content?: unknown }>;
  security?: Record<string, string[]>[];
}

/** `OrgId` and `Id` read what the guard resolved, which the scanner does not see: every `{name}` of a path is a parameter. */
function declarePathParameters(path: string, operation: Operation, documented: (name: string) => PathParameter): void {
  const declared = new Set(operation.parameters?.filter((p) => p.in === 'path').map((p) => p.name));
  const missing = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).filter((name) => !declared.has(name));
  operation.parameters = [
    ...missing.map((name) => ({ name, in: 'path', required: true, ...documented(name) })),
    ...(operation.parameters ?? []),
  ];
}

/**
 * The scanner's guess at a success (from the method and the handler's type, without a description) gives way to what `Returns` declares;
 * an operation with a body can be answered by the HTTP layer too.
 */
function declareResponses(operation: Operation): void {
  for (const [status, response] of Object.entries(operation.responses))
    if (!response.description) delete operation.responses[status];
    // Of several declarations of one status, the scanner pastes the texts together; the outermost one is meant.
    else response.description = response.description.split('\n\n').at(-1)!;
  if (!operation.requestBody) return;
  // The scanner gives every content type the same schema; YAML is text.
  const { 'application/json': json, 'application/yaml': yaml } = operation.requestBody.content;
  if (yaml) yaml.schema = { type: 'string' };
  const model = (json?.schema as { $ref?: string } | undefined)?.$ref?.split('/').at(-1);
  const examples = model === undefined ? undefined : BODY_EXAMPLES.get(model);
  if (json) json.example = examples?.example;
  if (yaml) yaml.example = examples?.yaml;
  const content = { 'application/json': { schema: { $ref: getSchemaPath(ErrorBody) } } };
  operation.responses['413'] ??= { description: 'The body is too large', content };
  operation.responses['415'] ??= { description: 'The body is not JSON', content };
}

/**
 * TypeScript has one type of number, and here nearly all of them are whole: what does not say `format: 'double'` is an integer. All have 64
 * bits, since ids and milliseconds need them and a field is to have the same type wherever it appears.
 */
function declareNumbers(node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  const schema = node as { type?: unknown; format?: unknown };
  if ((schema.type === 'number' || schema.type === 'integer') && schema.format === undefined)
    Object.assign(schema, { type: 'integer', format: 'int64' });
  for (const value of Object.values(node)) declareNumbers(value);
}

/** Serves the document and a page to try it out, under `/api/docs` and `/api/openapi.json`; built on first demand, once. Call before init. */
export function serveDocument(app: INestApplication): void {
  let document: OpenAPIObject | undefined;
  SwaggerModule.setup('api/docs', app, () => (document ??= buildDocument(app)), {
    jsonDocumentUrl: 'api/openapi.json',
    yamlDocumentUrl: 'api/openapi.yaml',
    ...PAGE_OPTIONS,
  });
}
