import 'reflect-metadata';
import { MESSAGE_METADATA } from '@nestjs/websockets/constants.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AgentsGateway, QUIET } from '../../src/agents/gateway/agents.gateway.js';
import { Api, newtToken, register } from '../support/api.js';
import { FixtureOrg } from '../support/fixture-org.js';
import { HOSTILE, HOSTILE_DOCUMENTS, HOSTILE_PATTERN, HOSTILE_VALUES } from '../support/hostile-requests.js';
import { type Document, type Documented, OPERATIONS, readDocument, rightful, urlOf } from '../support/operations.js';
import { startServer, type TestServer } from '../support/server.js';
import { TestSession } from '../support/session.js';

/** Twenty problems with clipped paths, twice: as fields and as a sentence. */
const LARGEST_ANSWER = 32 * 1024;
const MOST_PROBLEMS = 20;
/** A provisioning key and a password that might be right. */
const AT_ONCE = 4;

let server: TestServer;
let document: Document;
let fixture: FixtureOrg;

beforeAll(async () => {
  server = await startServer({ env: { REFUSALS_PER_MINUTE: '1000000', CLAIM_REFUSAL_FLOOR_MS: '0' } });
  document = await readDocument(server.url);
  fixture = await FixtureOrg.open(server);
});
afterAll(() => server.stop());
/** What the server did not expect is in its log, whatever was answered. */
afterEach(() =>
  expect(
    server.logs
      .splice(0)
      .filter((line) => /"level":(50|60)/.test(line))
      .slice(0, 5),
  ).toEqual([]),
);

interface Shot {
  what: string;
  operation: Documented;
  api: Api;
  url: string;
  body: string;
}

/** @returns what was answered wrongly. */
async function fire(shots: Shot[]): Promise<string[]> {
  const wrong: string[] = [];
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < shots.length; i = next++) {
      const { what, operation, api, url, body } = shots[i]!;
      const { status, text, body: answer } = await api.send(operation.method, url, body);
      const fields = (answer as { fields?: unknown[] }).fields ?? [];
      if (status >= 500 || text.length > LARGEST_ANSWER || fields.length > MOST_PROBLEMS)
        wrong.push(
          `${operation.id} ${what}: ${status}, ${text.length} bytes, ${fields.length} fields: ${text.slice(0, 200)}`,
        );
    }
  };
  await Promise.all([...Array.from({ length: AT_ONCE }, lane), health(() => next < shots.length)]);
  return wrong;
}

/** The server answers others while it has hostile requests. */
async function health(goOn: () => boolean): Promise<void> {
  do expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  while (goOn());
}

const fieldsOf = (operation: Documented) =>
  Object.keys(document.schemas[operation.body!.$ref!.split('/').at(-1)!]!.properties ?? {});

describe('a hostile body', () => {
  it('at any public endpoint is refused with few words', async () => {
    const doors = document.operations.filter(({ scope, body }) => scope === 'public' && body !== undefined);
    expect(doors.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['login', 'provisionDevice', 'registerNewt', 'getNewtToken']),
    );
    const shots: Shot[] = [];
    for (const operation of doors) {
      const call = await OPERATIONS[operation.id]!.call(fixture);
      const at = { operation, api: rightful(operation, fixture, call), url: urlOf(operation, fixture, call) };
      for (const { name, text } of HOSTILE) shots.push({ ...at, what: name, body: text });
      for (const field of fieldsOf(operation)) {
        // The values in turn, those within the bounds for each field: they get as far as its rules.
        for (const { name, text } of HOSTILE_VALUES.filter(
          ({ within }, i) => within || i === shots.length % HOSTILE_VALUES.length,
        ))
          shots.push({
            ...at,
            what: `${field} = ${name}`,
            body: JSON.stringify({ ...call.body, [field]: '@@' }).replace('"@@"', () => text),
          });
      }
    }
    expect(await fire(shots)).toEqual([]);
  });

  it('at any other endpoint, from nobody and from its rightful caller, likewise', async () => {
    const others = document.operations.filter(({ scope, body }) => scope !== 'public' && body !== undefined);
    expect(others.map(({ id }) => id)).toEqual(
      expect.arrayContaining([
        'acknowledgeBundle',
        'takeLease',
        'createSecret',
        'addSecretVersion',
        'saveBootstrap',
        'renewCredential',
        'rotateSiteCredential',
        'rotateCredentials',
      ]),
    );
    const shots: Shot[] = [];
    const few = HOSTILE.filter((_, i) => i % 4 === 0);
    for (const operation of others) {
      const call = await OPERATIONS[operation.id]!.call(fixture);
      const url = urlOf(operation, fixture, call);
      const { text, name } = few[shots.length % few.length]!;
      shots.push({ operation, url, api: fixture.root.as(undefined), what: `${name}, from nobody`, body: text });
      shots.push({
        operation,
        url,
        api: rightful(operation, fixture, call),
        what: 'a thousand unknown keys',
        body: HOSTILE[1]!.text,
      });
    }
    expect(await fire(shots)).toEqual([]);
  });

  it('in a query likewise', async () => {
    const queries = [
      `${'k=1&'.repeat(3500)}`,
      Array.from({ length: 90 }, (_, i) => `k${i}=1`).join('&'),
      `${'k%5B%5D=1&'.repeat(1200)}`,
      `k=${'x'.repeat(12_000)}`,
    ];
    const problems: string[] = [];
    for (const { method, path, scope } of document.operations.filter(({ id }) => id !== 'streamEvents')) {
      for (const query of queries) {
        const response = await fetch(`${server.url}${path.replace(/\{\w+\}/g, '1')}?${query}`, { method });
        const text = await response.text();
        if (response.status >= 500 || (text.length > LARGEST_ANSWER && scope !== 'public'))
          problems.push(`${method} ${path}: ${response.status} ${text.length}`);
      }
    }
    expect(problems).toEqual([]);
  });
});

describe('a hostile message', () => {
  async function session(): Promise<TestSession> {
    const { newtId, secret } = (await register(server.url, { provisioningKey: fixture.key.siteProvisioningKey })).body
      .data;
    return TestSession.connect(server.wsUrl, (await newtToken(server.url, newtId, secret)).body.data.token);
  }
  const handled = Object.getOwnPropertyNames(AgentsGateway.prototype).flatMap((name) => {
    const method = (AgentsGateway.prototype as unknown as Record<string, object>)[name]!;
    return (Reflect.getMetadata(MESSAGE_METADATA, method) as string | undefined) ?? [];
  });
  const FIELDS = [
    'protocol',
    'version',
    'capabilities',
    'facts',
    'error',
    'ok',
    'chainId',
    'newtVersion',
    'backwardsCompatible',
    'blueprint',
    'id',
    'kind',
    'document',
    'bundleKey',
    'digest',
    'state',
    'reason',
    'nonce',
    'prev',
    'ver',
  ];

  it.each([...handled, QUIET.join(), 'unknown'])(
    'of type %s is answered or ignored, and the session goes on',
    async (types) => {
      const agent = await session();
      const alive = health(() => agent.isOpen);
      const type = types.split(',');
      for (const [i, { text }] of HOSTILE.entries()) {
        agent.ws.send(`{"type":"${type[i % type.length]}","data":${text}}`);
        await agent.settled();
      }
      for (const field of handled.includes(types) ? FIELDS : []) {
        for (const { text } of HOSTILE_VALUES.filter((_, i) => i % 5 === FIELDS.indexOf(field) % 5))
          agent.ws.send(`{"type":"${types}","data":{"${field}":${text}}}`);
        await agent.settled();
      }
      for (const { data } of agent.received) expect(JSON.stringify(data).length).toBeLessThan(LARGEST_ANSWER);
      await agent.close();
      await alive;
    },
  );

  it('with a blueprint is answered with few problems, and the session goes on', async () => {
    const agent = await session();
    await agent.hello();
    for (const { text } of HOSTILE_DOCUMENTS) {
      const before = agent.received.filter(({ type }) => type === 'newt/blueprint/results').length;
      agent.send('newt/blueprint/apply', { blueprint: text });
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
      const { data } = await agent.message(
        'newt/blueprint/results',
        () => agent.received.filter(({ type }) => type === 'newt/blueprint/results').length > before,
      );
      expect(data['success']).toBe(false);
    }
    const resources = Object.fromEntries(Array.from({ length: 4_000 }, (_, i) => [`k${i}`, { nme: 1 }]));
    agent.send('agent/blueprint', {
      id: 'many',
      kind: 'file',
      document: { 'public-resources': resources },
      digest: '',
    });
    const { data } = await agent.message('agent/blueprint-result', ({ id }) => id === 'many');
    expect(data['ok']).toBe(false);
    expect((data['problems'] as unknown[]).length).toBeLessThanOrEqual(MOST_PROBLEMS);
    await agent.close();
  });
});

describe('a hostile document', () => {
  const outcome = async (response: Response) => {
    const text = await response.text();
    expect(text.length).toBeLessThan(LARGEST_ANSWER);
    return { status: response.status, fields: (JSON.parse(text) as { fields?: unknown[] }).fields?.length ?? 0 };
  };
  const put = (body: string, type: string, path = 'blueprint') =>
    fetch(`${server.url}/api/v1/org/${fixture.orgId}/${path}`, {
      method: 'PUT',
      body,
      headers: { 'content-type': type, authorization: `Bearer ${fixture.callers.key.authorization}` },
    });

  it.each(HOSTILE_DOCUMENTS.map(({ name, text }) => [name, text]))(
    'of %s is refused at each document door with few problems',
    async (_, text) => {
      const bootstrap = `provisioning-profile/${fixture.profileId}/bootstrap`;
      const answers = [
        put(text, 'application/yaml', bootstrap),
        put(text, 'application/yaml', `${bootstrap}?dryRun=true`),
        put(JSON.stringify({ document: text }), 'application/json', bootstrap),
        put(text, 'application/yaml'),
        put(JSON.stringify({ blueprint: Buffer.from(text).toString('base64') }), 'application/json'),
        fetch(`${server.url}/api/v1/org/${fixture.orgId}/provisioning-profile`, {
          method: 'PUT',
          body: JSON.stringify({ name: 'hostile', blueprint: text }),
          headers: { 'content-type': 'application/json', authorization: `Bearer ${fixture.callers.key.authorization}` },
        }),
      ];
      await health(() => false);
      for (const { status, fields } of await Promise.all(answers.map(async (answer) => outcome(await answer)))) {
        expect(status).toBe(400);
        expect(fields).toBeGreaterThan(0);
        expect(fields).toBeLessThanOrEqual(MOST_PROBLEMS);
      }
    },
  );

  it('is read while others are answered', async () => {
    let answered = false;
    const slow = put(HOSTILE_DOCUMENTS.find(({ name }) => name === 'patterns')!.text, 'application/yaml').finally(
      () => (answered = true),
    );
    const patterns = Array.from({ length: 3 }, () =>
      fixture.root.send('PUT', `/org/${fixture.orgId}/provisioning-template`, {
        name: 'hostile',
        hardwareIdPattern: HOSTILE_PATTERN,
      }),
    );
    // Whatever the machine does: fifteen patterns need longer than one answer of a server that is free.
    await health(() => false);
    expect(answered).toBe(false);
    expect((await slow).status).toBe(400);
    for (const { status, text } of await Promise.all(patterns))
      expect([status, text]).toEqual([400, expect.stringMatching(/hardwareIdPattern/)]);
  });
});
