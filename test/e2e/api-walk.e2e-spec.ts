import { afterAll, beforeAll, expect, it } from 'vitest';
import { behindProxy } from '../support/behind-proxy.js';
import { FixtureOrg } from '../support/fixture-org.js';
import {
  asExpected,
  type Document,
  type Documented,
  OPERATIONS,
  readDocument,
  rightful,
  send,
  urlOf,
} from '../support/operations.js';
import { startServer, type TestServer } from '../support/server.js';

/** What holds for every operation of the API alike. */

const proxy = behindProxy();
let server: TestServer;
let document: Document;
let fixture: FixtureOrg;

beforeAll(async () => {
  server = await startServer({ env: { ...proxy.env, REFUSALS_PER_MINUTE: '1000000', CLAIM_REFUSAL_FLOOR_MS: '0' } });
  document = await readDocument(server.url);
  fixture = await FixtureOrg.open(server);
});
afterAll(async () => {
  await server?.stop();
  proxy.remove();
});

/** Downloads and probes are no answers of the API. */
const ofTheApi = ({ path }: Documented) => path.startsWith('/api/') || path.startsWith('/.well-known/est/');

it('no answer may be kept by a cache: right, refused or lost', async () => {
  const kept: string[] = [];
  const look = (id: string, what: string, headers: Headers) => {
    if (headers.get('cache-control') !== 'no-store') kept.push(`${id} ${what}: ${headers.get('cache-control')}`);
  };
  const operations = document.operations.filter(ofTheApi);
  expect(operations.length).toBeGreaterThan(100);
  for (const operation of operations) {
    const call = await OPERATIONS[operation.id]!.call(fixture);
    const url = urlOf(operation, fixture, call);
    // What anybody may do once is done by the right call.
    if (operation.scope !== 'public')
      look(
        operation.id,
        'from nobody',
        (await send(operation, fixture.root.as(undefined), url, call.text ?? call.body)).headers,
      );
    const reply = await send(operation, rightful(operation, fixture, call), url, call.text ?? call.body);
    if (!asExpected(operation, reply.status)) kept.push(`${operation.id}: ${reply.status} ${reply.text}`);
    // A revocation list holds nothing secret, is signed, and asked for by many.
    if (operation.id === 'getRevocationList') expect(reply.headers.get('cache-control')).toBe('public, max-age=60');
    else look(operation.id, 'right', reply.headers);
  }
  look('none', 'no route', (await fetch(`${server.url}/v1/nothing`)).headers);
  look('getOrg', 'as integrators call it', (await fetch(`${server.url}/v1/org/${fixture.orgId}`)).headers);
  expect(kept).toEqual([]);
});

const NAMES = ['name', 'device_name', 'username', 'niceId'];
const WRONG = ['   ', '\u200b', '\u202eevil', 'a\u2066b', '\u3000', '\ufeffx', 'a\u00adb', 'Ad\u200dmin', '\u2800'];

it('every name that people read is refused when it is blank, invisible or turned around, and named', async () => {
  const problems: string[] = [];
  let seen = 0;
  for (const operation of document.operations.filter(({ body }) => body?.$ref !== undefined)) {
    const fields = Object.keys(document.schemas[operation.body!.$ref!.split('/').at(-1)!]!.properties ?? {}).filter(
      (field) => NAMES.includes(field),
    );
    if (fields.length === 0) continue;
    const call = await OPERATIONS[operation.id]!.call(fixture);
    for (const field of fields) {
      seen++;
      for (const wrong of WRONG) {
        const reply = await send(operation, rightful(operation, fixture, call), urlOf(operation, fixture, call), {
          ...call.body,
          [field]: wrong,
        });
        if (reply.status !== 400 || !reply.body.fields?.some(({ path }) => path === field))
          problems.push(
            `${operation.id} ${field} = ${JSON.stringify(wrong)}: ${reply.status} ${reply.text.slice(0, 200)}`,
          );
      }
    }
  }
  expect(seen).toBeGreaterThan(20);
  expect(problems).toEqual([]);
});

it('bytes that are no UTF-8 are 400: in every body, in paths and in queries', async () => {
  const problems: string[] = [];
  for (const operation of document.operations.filter(({ body }) => body !== undefined)) {
    const call = await OPERATIONS[operation.id]!.call(fixture);
    const { authorization, extra } = rightful(operation, fixture, call);
    const text = Buffer.from(JSON.stringify(call.body ?? {})).toString('latin1');
    const body = Buffer.from(text.replace(/"(?=[,}])/, '\xff"'), 'latin1');
    const response = await fetch(`${server.url}${urlOf(operation, fixture, call)}`, {
      method: operation.method,
      body,
      headers: {
        ...extra,
        'content-type': 'application/json',
        ...(authorization ? { authorization: `Bearer ${authorization}` } : {}),
      },
    });
    const answer = await response.text();
    if (body.includes(0xff) && (response.status !== 400 || !answer.includes('UTF-8')))
      problems.push(`${operation.id}: ${response.status} ${answer.slice(0, 200)}`);
  }
  for (const url of [
    '/v1/org/%FF',
    `/v1/org/${fixture.orgId}/sites?query=%FF`,
    `/v1/org/${fixture.orgId}/sites?query=%C3%28`,
  ]) {
    const response = await fetch(`${server.url}${url}`, {
      headers: { authorization: `Bearer ${fixture.root.authorization}` },
    });
    if (response.status !== 400) problems.push(`${url}: ${response.status}`);
  }
  expect(problems).toEqual([]);
});
