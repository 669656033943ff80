import { readFileSync } from 'node:fs';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import openapiTS, { astToString } from 'openapi-typescript';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeclaredClass, declaredClasses, validatedInputs } from '../support/dto-fields.js';
import { ApiContract, type ApiDocument, type DocumentedOperation } from '../support/openapi.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let contract: ApiContract;
let operations: DocumentedOperation[];

beforeAll(async () => {
  server = await startServer();
  contract = (await ApiContract.of(server.url))!;
  operations = contract.operations;
});
afterAll(async () => {
  await server?.stop();
});

/** Their success has no JSON body, or none at all. */
const WITHOUT_JSON = [
  ...['downloadAgent', 'downloadAgentHash', 'downloadInstaller', 'streamEvents', 'getNewtVersion', 'exportOrg'],
  ...['getBundle', 'acknowledgeBundle', 'getRevocationList', 'exportRequestLog', 'exportAccessLog'],
  ...['getEstCaCertificates', 'getEstCaCertificatesByKey', 'enrolByEst', 'enrolByEstAt', 'renewByEst', 'renewByEstAt'],
];
/** Their errors have forms of their own (docs/claims.md rules 2 and 15), or are states rather than errors. */
const OWN_ERRORS = ['provisionDevice', 'getReadiness', 'checkOrgId'];
/** Judge their credential themselves, because their refusal is one for all routes (docs/agent-protocol.md rule 3), or all claims (docs/claims.md rule 2). */
const OWN_GUARD = ['enrolByEst', 'enrolByEstAt', 'getDeviceToken', 'getEstCaCertificatesByKey'];
/** By the client certificate of the connection, for which OpenAPI 3.0 has no scheme. */
const BY_CERTIFICATE = ['renewByEst', 'renewByEstAt'];
/** Path parameters that are text, or a number or text; all others are numbers. */
const TEXT_IDS = [
  ...['orgId', 'apiKeyId', 'userId', 'inviteId', 'hardwareId', 'siteProvisioningKeyId', 'domainId', 'accessTokenId'],
  ...['siteId', 'niceId', 'caId', 'resourceNiceId', 'candidateId', 'name', 'sessionId'],
];
/** Fields that need not be whole: measured amounts, hours, percentages, and values of any kind. */
const FRACTIONS = /(\/(megabytes(In|Out)|validHours|pace|stopAtFailurePercent)|\/oneOf\/1)$/;
interface ObjectSchema {
  properties?: Record<string, unknown>;
  required?: string[];
}
const names = (list: DocumentedOperation[]) => list.map((o) => o.operationId).sort();
const json = (o: DocumentedOperation, status: string) => o.responses[status]?.content?.['application/json']?.schema;

describe('the OpenAPI document', () => {
  it('is the one in docs/openapi.json (npm run openapi writes it)', () => {
    const snapshot = JSON.parse(
      readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'),
    ) as ApiDocument;
    expect(contract.document).toEqual(snapshot);
  });

  it('has a success with a schema for every operation', () => {
    const empty = operations.filter((o) => {
      const successes = Object.keys(o.responses).filter((status) => status.startsWith('2'));
      return (
        successes.length === 0 ||
        successes.some((status) => !json(o, status) || Object.keys(json(o, status)!).length === 0)
      );
    });
    expect(names(empty)).toEqual([...WITHOUT_JSON].sort());
  });

  it('leaves no schema of its own empty', () => {
    const empty = Object.entries(contract.document.components.schemas).filter(
      ([, s]) => s['type'] === 'object' && !s['properties'] && s['additionalProperties'] === undefined,
    );
    expect(empty.map(([name]) => name)).toEqual([]);
  });

  it('says for every operation who may call it', () => {
    expect(names(operations.filter((o) => !o['x-scope']))).toEqual([]);
    expect(
      names(operations.filter((o) => o['x-scope'] !== 'public' && !(o.security && o.security.length > 0))),
    ).toEqual(BY_CERTIFICATE);
    expect(names(operations.filter((o) => o['x-scope'] === 'public' && o.security && o.security.length > 0))).toEqual(
      OWN_GUARD,
    );
  });

  it('gives every error the error envelope', () => {
    const odd = operations.flatMap((o) =>
      Object.keys(o.responses)
        .filter(
          (s) =>
            Number(s) >= 400 &&
            !OWN_ERRORS.includes(o.operationId) &&
            json(o, s)?.['$ref'] !== '#/components/schemas/ErrorBody',
        )
        .map((s) => `${o.operationId} ${s}`),
    );
    expect(odd).toEqual([]);
  });

  it('names every operation once', () => {
    const ids = names(operations);
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  });

  it('says of every operation in a line what it does', () => {
    expect(names(operations.filter((o) => !/^\S.{5,119}$/.test(o.summary ?? '')))).toEqual([]);
  });
});

describe('every field is in the document', () => {
  const schemas = () => contract.document.components.schemas as Record<string, ObjectSchema>;
  const schemaOf = (o: DocumentedOperation) => {
    const reference = o.requestBody?.content['application/json']?.schema['$ref'] as string | undefined;
    return reference && schemas()[reference.split('/').at(-1)!];
  };

  it('of bodies and queries, as they are validated', async () => {
    const inputs = await validatedInputs();
    expect(inputs.length).toBeGreaterThan(100);
    const differences = inputs.flatMap(({ operationId, from, type, fields }) => {
      const operation = operations.find((o) => o.operationId === operationId)!;
      const body = from === 'body' ? schemaOf(operation) : undefined;
      // Of a list that is exported too, `format` is read beside the query (libs/platform/http/exports.ts).
      const exports = operation.responses['200']?.content?.['text/csv'] !== undefined;
      const query = (operation.parameters ?? []).filter(
        (parameter) => parameter.in === 'query' && !(exports && parameter.name === 'format'),
      );
      const documented = body
        ? Object.keys(body.properties ?? {}).map((name) => [name, body.required?.includes(name) === true] as const)
        : query.map(({ name, required }) => [name, required === true] as const);
      const validated = [...fields].map(([name, { required }]) => [name, required] as const);
      const lines = (list: (readonly [string, boolean])[]) =>
        list.map(([name, needed]) => `${name}${needed ? '' : '?'}`);
      const [have, want] = [lines(documented), lines(validated)];
      return [
        ...want.filter((line) => !have.includes(line)).map((line) => `${operationId} (${type}) lacks ${line}`),
        ...have.filter((line) => !want.includes(line)).map((line) => `${operationId} (${type}) has ${line} of its own`),
      ];
    });
    expect(differences).toEqual([]);
  });

  it('of every class of a *.dto.ts and every schema, as it is declared', async () => {
    const classes = declaredClasses();
    const bases = new Set([...classes.values()].map((declared) => declared.base));
    const queries = new Set((await validatedInputs()).map((input) => input.type));
    const fieldsOf = (name: string): DeclaredClass['fields'] => {
      const declared = classes.get(name);
      return declared ? [...(declared.base ? fieldsOf(declared.base) : []), ...declared.fields] : [];
    };
    const differences: string[] = [];
    for (const [name, declared] of classes) {
      const schema = schemas()[name];
      if (!schema) {
        if (declared.file.endsWith('.dto.ts') && !bases.has(name) && !queries.has(name) && declared.fields.length > 0)
          differences.push(`${name} (${declared.file}) is in no operation`);
        continue;
      }
      for (const field of fieldsOf(name)) {
        if (!schema.properties?.[field.name]) differences.push(`${name} lacks ${field.name}`);
        else if ((schema.required?.includes(field.name) === true) === field.optional)
          differences.push(`${name}.${field.name} is ${field.optional ? 'optional' : 'required'} in its class`);
      }
    }
    expect(differences).toEqual([]);
    const without = Object.entries(schemas()).filter(([name, schema]) => !classes.has(name) && schema.properties);
    expect(without.map(([name]) => name).filter((name) => !name.endsWith('Response'))).toEqual([]);
  });
});

describe('generators can use the document', () => {
  it('has whole numbers as int64, and says which are not whole', () => {
    const odd: string[] = [];
    walk(contract.document, (node, place) => {
      if (node['type'] === 'integer' && node['format'] !== 'int64') odd.push(place);
      if (node['type'] === 'number' && !FRACTIONS.test(place)) odd.push(place);
    });
    expect(odd).toEqual([]);
  });

  it('has a number for each path parameter that takes nothing else, and says what the others take', () => {
    const odd = operations.flatMap((o) =>
      (o.parameters ?? [])
        .filter((p) => p.in === 'path')
        .filter((p) => (TEXT_IDS.includes(p.name) ? p.schema?.['type'] !== 'string' : p.schema?.['type'] !== 'integer'))
        .map((p) => `${o.operationId} ${p.name}`),
    );
    expect(odd).toEqual([]);
    const either = operations
      .flatMap((o) => o.parameters ?? [])
      .filter((p) => ['siteId', 'niceId', 'resourceNiceId'].includes(p.name));
    expect(either.filter((p) => p.in === 'path' && !p.description?.includes('niceId'))).toEqual([]);
  });

  it('gives every body of JSON a schema with a name', () => {
    const unnamed = operations.flatMap((o) =>
      Object.keys(o.responses)
        .filter((status) => json(o, status) && !json(o, status)!['$ref'] && !OWN_ERRORS.includes(o.operationId))
        .map((status) => `${o.operationId} ${status}`),
    );
    expect(unnamed).toEqual([]);
  });

  it('says outright which operations need no credential', () => {
    expect(names(operations.filter((o) => o.security === undefined))).toEqual([]);
    expect(names(operations.filter((o) => o['x-scope'] === 'public' && o.security!.length > 0))).toEqual(OWN_GUARD);
  });

  it("passes redocly's recommended rules", async () => {
    const problems = await lintFromString({
      source: JSON.stringify(contract.document),
      absoluteRef: '/openapi.json',
      config: await createConfig({ extends: ['recommended'] }),
    });
    const errors = problems.filter((problem) => problem.severity === 'error');
    expect(errors.map((e) => `${e.ruleId}: ${e.message} ${e.location[0]?.pointer}`)).toEqual([]);
  });

  it('becomes TypeScript that type-checks, with the types that a client needs', async () => {
    const generated = astToString(await openapiTS(JSON.stringify(contract.document)));
    expect(typeErrors({ '/api.ts': generated, '/client.ts': CLIENT, '/wrong.ts': WRONG })).toEqual([
      expect.stringMatching(/^\/wrong\.ts: Property 'priority' is missing/),
    ]);
  });
});

/** A client's use of the generated types: a rule with its priority, an id, an envelope. */
const CLIENT = `
import type { components, operations } from './api';
export const rule: components['schemas']['CreateRuleBody'] = { action: 'DROP', match: 'CIDR', value: '10.0.0.0/8', priority: 100 };
export const path: operations['updateResourceRule']['parameters']['path'] = { resourceId: 1, ruleId: 2 };
export const names = (answer: components['schemas']['SiteListResponse']): string[] => answer.data.sites.map((site) => site.name);
`;

const WRONG = `
import type { components } from './api';
export const rule: components['schemas']['CreateRuleBody'] = { action: 'DROP', match: 'CIDR', value: '10.0.0.0/8' };
`;

/** Type-checks files that are in memory only, strictly. */
function typeErrors(files: Record<string, string>): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    types: [],
    lib: ['lib.es2022.d.ts'],
    skipDefaultLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (name, ...rest) =>
    files[name] === undefined
      ? getSourceFile.call(host, name, ...rest)
      : ts.createSourceFile(name, files[name], ts.ScriptTarget.ES2022);
  host.fileExists = (name) => files[name] !== undefined || fileExists.call(host, name);
  host.readFile = (name) => files[name] ?? readFile.call(host, name);
  const program = ts.createProgram(Object.keys(files), options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map((d) => `${d.file?.fileName}: ${ts.flattenDiagnosticMessageText(d.messageText, '\n')}`);
}

function walk(node: unknown, visit: (node: Record<string, unknown>, place: string) => void, place = ''): void {
  if (typeof node !== 'object' || node === null) return;
  visit(node as Record<string, unknown>, place);
  for (const [key, value] of Object.entries(node)) walk(value, visit, `${place}/${key}`);
}
