import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
const WITHOUT_JSON = ['downloadAgent', 'downloadAgentHash', 'downloadInstaller', 'streamEvents', 'getNewtVersion'];
/** Their errors have forms of their own (docs/claims.md rules 2 and 15), or are states rather than errors. */
const OWN_ERRORS = ['provisionDevice', 'getReadiness', 'checkOrgId'];
/** Judges its credential itself, because its refusal is one for all routes (docs/agent-protocol.md rule 3). */
const OWN_GUARD = ['getDeviceToken'];
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
    ).toEqual([]);
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
