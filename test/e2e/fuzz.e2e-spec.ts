import { Ajv } from 'ajv';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { FixtureOrg } from '../support/fixture-org.js';
import { BODIES, DEEP, PATH_VALUES, QUERY_VALUES, random, TEXTS, VALUES } from '../support/hostile-inputs.js';
import { asJsonSchema } from '../support/openapi.js';
import {
  ANYBODY,
  type Call,
  type Document,
  type Documented,
  OPERATIONS,
  readDocument,
  rightful,
  send,
  urlOf,
} from '../support/operations.js';
import { isEnvelope, type Probe, wrongAnswers } from '../support/probes.js';
import { startServer, type TestServer } from '../support/server.js';

const SEED = 20_251_121;
/** Endpoints for machines in the field: what they do not know is dropped (docs/claims.md "Claim endpoints"). */
const LENIENT = ['provisionDevice', 'registerNewt'];
/** A password that might be right costs a slow hash: two of them are enough. */
const SLOW = ['login', 'changePassword'];

/** What a field takes beside what its schema says. */
const TOLERANT: Record<string, (value: unknown) => boolean> = {
  // docs/integration-api.md §3.16: a number may come as text
  maxBatchSize: (value) => typeof value === 'string' && /^[1-9]\d{0,5}$/.test(value),
  // the same filter stands in queries, where one label is no list
  'filter.label': (value) => typeof value === 'string',
  'filter.notLabel': (value) => typeof value === 'string',
};

let server: TestServer;
let document: Document;
let fixture: FixtureOrg;
let ajv: Ajv;

beforeAll(async () => {
  server = await startServer({ env: { REFUSALS_PER_MINUTE: '1000000', CLAIM_REFUSAL_FLOOR_MS: '0' } });
  document = await readDocument(server.url);
  fixture = await FixtureOrg.open(server);
  ajv = new Ajv({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'document', components: { schemas: asJsonSchema(document.schemas) } });
});
afterAll(() => server?.stop());
/** A right body of reportLeakedKey pauses claims, by which the others make sites. */
beforeEach(() => fixture.root.expect('POST', fixture.path('claims/resume')));
/** What the server did not expect is in its log, whatever was answered. */
afterEach(() =>
  expect(
    server.logs
      .splice(0)
      .filter((line) => /"level":(50|60)/.test(line))
      .slice(0, 5),
  ).toEqual([]),
);

const short = (value: unknown) => (JSON.stringify(value) ?? String(value)).slice(0, 60);

async function base(operation: Documented): Promise<{ call: Call; api: Api; url: string }> {
  const call = await OPERATIONS[operation.id]!.call(fixture);
  // A body whose dryRun is left out, or false, is right: it closes an organization that nobody else needs.
  if (operation.id === 'closeOrg') {
    const orgId = fixture.name('org');
    await fixture.root.expect('PUT', '/org', { orgId, name: orgId });
    return { call, api: fixture.root, url: `/api/v1/org/${orgId}/close` };
  }
  return { call, api: rightful(operation, fixture, call), url: urlOf(operation, fixture, call) };
}

interface Field {
  /** As the error names it. */
  path: string;
  required: boolean;
  validate: (value: unknown) => boolean;
  /** The JSON of a body with this text at this place. */
  put: (text: string) => string;
}

/** The fields of a body, those of its parts too. */
function fieldsOf(operation: Documented, body: Record<string, unknown>): Field[] {
  const name = operation.body!.$ref!.split('/').at(-1)!;
  const schema = document.schemas[name]!;
  return Object.entries(schema.properties ?? {}).flatMap(([field, property]): Field[] => {
    const matches = ajv.compile({ $ref: `document#/components/schemas/${name}/properties/${field}` });
    const own: Field = {
      path: field,
      required: schema.required?.includes(field) ?? false,
      // `nullable` beside a reference: JSON schema knows the reference only (test/support/openapi.ts reads it the same way).
      validate: (value) => (value === null && property.nullable === true) || matches(value),
      put: (text) => placed(body, [field], text),
    };
    const part = (property.allOf?.[0] ?? property).$ref?.split('/').at(-1);
    if (part === undefined) return [own];
    const needed = Object.fromEntries((schema.required ?? []).map((required) => [required, body[required]]));
    const inner = Object.keys(document.schemas[part]!.properties ?? {}).map(
      (key): Field => ({
        path: `${field}.${key}`,
        required: false,
        validate: ajv.compile({ $ref: `document#/components/schemas/${part}/properties/${key}` }),
        put: (text) => placed({ ...needed, [field]: {} }, [field, key], text),
      }),
    );
    return [own, ...inner];
  });
}

/** JSON of the body with this text in place of a value: text, because some JSON cannot be made from values. */
function placed(body: Record<string, unknown>, [name, inner]: string[], text: string): string {
  const marker = '@@here@@';
  const value = inner === undefined ? marker : { ...(body[name!] as object), [inner]: marker };
  return JSON.stringify({ ...body, [name!]: value }).replace(`"${marker}"`, () => text);
}

const withBody = () => document.operations.filter((operation) => operation.body !== undefined);

describe(`wrong requests (seed ${SEED})`, () => {
  // First: the others make organizations and sites that are called like this.
  it('a path that names nothing leads nowhere', async () => {
    const probes: Probe[] = [];
    for (const operation of document.operations) {
      const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
      if (names.length === 0) continue;
      const { call, api } = await base(operation);
      for (const name of names.filter((one) => !ANYBODY.includes(one))) {
        for (const value of PATH_VALUES) {
          const url = urlOf(
            { ...operation, path: operation.path.replace(`{${name}}`, '@@here@@') },
            fixture,
            call,
          ).replace('@@here@@', () => value);
          const body = call.body && JSON.stringify(call.body);
          probes.push({
            operation,
            api,
            url,
            what: `{${name}} = ${value.slice(0, 40)}`,
            nowhere: true,
            ...(body ? { body } : {}),
          });
        }
      }
    }
    expect(probes.length).toBeGreaterThan(1_000);
    expect(await wrongAnswers(probes)).toEqual([]);
  });

  it('a wrong value in a body is 400 and names its field, never a failure of the server', async () => {
    const probes: Probe[] = [];
    const values = [...VALUES, ...random(SEED, 20)];
    for (const operation of withBody()) {
      const { call, api, url } = await base(operation);
      let fieldsSeen = 0;
      for (const { path, validate, put } of fieldsOf(operation, call.body!)) {
        let plausible = 0;
        for (const value of values) {
          const wrong = !validate(value) && !(TOLERANT[path] ?? (() => false))(value);
          if (!wrong && SLOW.includes(operation.id) && ++plausible > 2) continue;
          probes.push({
            operation,
            api,
            url,
            body: put(JSON.stringify(value)),
            what: `${path} = ${short(value)}`,
            ...(wrong ? { wrong: path } : {}),
          });
        }
        if (fieldsSeen++ === 0)
          for (const text of DEEP)
            probes.push({ operation, api, url, body: put(text), what: `${path}, deep`, wrong: path });
        for (const text of TEXTS)
          if (!SLOW.includes(operation.id))
            probes.push({ operation, api, url, body: put(text), what: `${path} = ${text}` });
      }
    }
    expect(probes.length).toBeGreaterThan(5_000);
    expect(await wrongAnswers(probes)).toEqual([]);
  });

  it('a field that is missing or unknown is named', async () => {
    const probes: Probe[] = [];
    for (const operation of withBody()) {
      const { call, api, url } = await base(operation);
      for (const { path, required } of fieldsOf(operation, call.body!)) {
        if (!required) continue;
        const { [path]: _, ...rest } = call.body!;
        probes.push({ operation, api, url, body: JSON.stringify(rest), what: `without ${path}`, wrong: path });
      }
      if (LENIENT.includes(operation.id)) continue;
      for (const name of ['surprise', 'orgId ', 'ORGID', '😀']) {
        probes.push({
          operation,
          api,
          url,
          body: JSON.stringify({ ...call.body, [name]: 1 }),
          what: `with ${name}`,
          wrong: name,
        });
      }
    }
    expect(await wrongAnswers(probes)).toEqual([]);
  });

  it('a body that is no object, or no JSON, is refused', async () => {
    const probes: Probe[] = [];
    for (const operation of withBody()) {
      const { api, url } = await base(operation);
      for (const body of [...BODIES, `{"a":"${'x'.repeat(1_100_000)}"}`])
        probes.push({ operation, api, url, body, what: `body ${body.slice(0, 30)}` });
    }
    expect(await wrongAnswers(probes)).toEqual([]);
  });

  it('a wrong value in a query is 400 and names its parameter', async () => {
    const probes: Probe[] = [];
    for (const operation of document.operations) {
      const parameters = operation.parameters.filter((parameter) => parameter.in === 'query');
      if (parameters.length === 0) continue;
      const { call, api, url } = await base(operation);
      const [path] = url.split('?');
      const needed = parameters.filter((p) => p.required).map((p) => `${p.name}=${String(call.query![p.name])}`);
      const probe = (what: string, query: string, wrong?: string) => {
        const rest = needed.filter((pair) => !query.startsWith(pair.slice(0, pair.indexOf('=') + 1)));
        probes.push({
          operation,
          api,
          url: `${path}?${[...rest, query].join('&')}`,
          what,
          ...(wrong === undefined ? {} : { wrong }),
        });
      };
      for (const { name, schema } of parameters) {
        for (const value of QUERY_VALUES)
          probe(`?${name}=${value.slice(0, 40)}`, `${name}=${value}`, isWrong(schema, value) ? name : undefined);
        if (schema.type !== 'array') probe(`?${name} twice`, `${name}=1&${name}=2`, name);
        probe(`?${name}[]`, `${name}[]=1`, `${name}[]`);
        probe(`?${name}[a]`, `${name}[a]=1`, `${name}[a]`);
      }
      probe('?surprise', 'surprise=1', 'surprise');
      for (const name of needed)
        probes.push({ operation, api, url: path!, what: `without ?${name}`, wrong: name.split('=')[0]! });
    }
    expect(probes.length).toBeGreaterThan(2_000);
    expect(await wrongAnswers(probes)).toEqual([]);
  });

  it('a body of another type than JSON is 415, and a wrong method is no operation', async () => {
    for (const operation of withBody()) {
      const { api, url } = await base(operation);
      const headers = { ...api.extra, ...(api.authorization ? { authorization: `Bearer ${api.authorization}` } : {}) };
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'application/xml',
      ]) {
        const response = await fetch(`${server.url}${url}`, {
          method: operation.method,
          headers: { ...headers, 'content-type': type },
          body: 'a=1',
        });
        expect([operation.id, type, response.status]).toEqual([operation.id, type, 415]);
        expect(isEnvelope(await response.json(), 415)).toBe(true);
      }
    }
  });

  it('a credential of any shape is no credential', async () => {
    const tokens = [
      '',
      '.',
      'a.',
      '.a',
      'a.b.c',
      '__proto__.x',
      'constructor.prototype',
      'toString.x',
      '\xff.\xff',
      `${'x'.repeat(500)}.a`,
      'x'.repeat(9_000),
      'sk_live_',
      'sk_live_\xff',
      'sk_live_%00',
      `sk_live_${'x'.repeat(600)}`,
      'spk',
      'undefined',
    ];
    const headers = tokens.flatMap((token): Record<string, string>[] => [
      { authorization: `Bearer ${token}` },
      { 'x-api-key': token },
      { cookie: `gatehouse_session=${token}` },
      { cookie: `${token}=x; gatehouse_session=%00%ff; __proto__=x` },
    ]);
    headers.push(
      { authorization: 'Bearer' },
      { authorization: 'Basic eDp5' },
      { authorization: 'bearer a.b' },
      { authorization: 'Bearer a.b', 'x-api-key': 'c.d' },
      { 'x-forwarded-for': "'", forwarded: 'for=x' },
    );
    const got: string[] = [];
    for (const extra of headers) {
      for (const path of [`/api/v1/org/${fixture.orgId}`, '/api/v1/user', '/api/v1/device/self', '/api/v1/orgs']) {
        const response = await fetch(`${server.url}${path}`, { headers: extra });
        const answer: unknown = await response.json();
        if (response.status !== 401 || !isEnvelope(answer, 401))
          got.push(`${path} ${JSON.stringify(extra).slice(0, 80)}: ${response.status} ${JSON.stringify(answer)}`);
      }
    }
    expect(got).toEqual([]);
  });

  it('a cursor of any shape is 400 or a place in the feed', async () => {
    const operation = document.operations.find(({ id }) => id === 'streamEvents')!;
    const { api, url } = await base(operation);
    for (const cursor of [
      'x',
      ':',
      '1:',
      ':1',
      '-1:1',
      '1:1:1',
      '18446744073709551616:1',
      '1:9223372036854775808',
      '9'.repeat(5_000),
      '\xff',
      "1:1' OR 1=1",
      '1e3:1',
      '0:0',
      '1:1',
    ]) {
      const reply = await send(operation, new Api(api.url, api.authorization, { 'last-event-id': cursor }), url);
      expect([200, 400], `${cursor}: ${reply.text}`).toContain(reply.status);
    }
  });
});

/** Whether the value, as it stands in a query, is none of what the schema says. */
function isWrong(schema: Documented['parameters'][number]['schema'], encoded: string): boolean {
  let value: string;
  try {
    value = decodeURIComponent(encoded);
  } catch {
    return false;
  }
  if (schema.enum) return !schema.enum.includes(value);
  if (schema.type === 'boolean') return !['true', 'false'].includes(value);
  if (schema.type === 'integer') {
    const number = Number(value);
    return (
      !/^-?\d{1,15}$/.test(value) ||
      number < Number(schema['minimum'] ?? -Infinity) ||
      number > Number(schema['maximum'] ?? Infinity)
    );
  }
  return schema.type === 'string' && value.length > Number(schema['maxLength'] ?? Infinity);
}
