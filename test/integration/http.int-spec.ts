import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Drain } from '#platform';
import { Api } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let server: StartedApp;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startApp(database.url);
});
afterAll(async () => {
  await server?.close();
  await database?.drop();
});

const envelope = (status: number, code: string) => ({
  data: null,
  success: false,
  error: true,
  message: expect.any(String),
  status,
  stack: null,
  code,
});
const put = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) =>
  fetch(`${server.url}/v1/org`, {
    method: 'PUT',
    body,
    headers: { authorization: `Bearer ${server.root.authorization}`, ...headers },
  });

/** fetch would tidy the path up first. */
const raw = (path: string) =>
  new Promise<{ status: number; body: unknown }>((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    request({ host: hostname, port, path }, (response) => {
      let text = '';
      response
        .on('data', (chunk) => (text += chunk))
        .on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) }));
    })
      .on('error', reject)
      .end();
  });

interface Schemas {
  components: { schemas: Record<string, { properties: object }> };
}

describe('the HTTP shell', () => {
  it('says that it lives and that it is ready', async () => {
    const api = new Api(server.url);
    for (const path of ['/v1', '/v1/', '/api/v1', '/api/v1/'])
      expect((await api.get(path)).body).toEqual({ message: 'Healthy' });
    expect((await raw('/healthz')).body).toEqual({ status: 'ok' });
    const ready = (await raw('/readyz')).body as Record<string, string>;
    expect(ready).toMatchObject({ status: 'ok', database: 'ok', eventFeed: expect.any(String) });
    // Whoever registers a check describes it in the document.
    const document = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as Schemas;
    expect(Object.keys(ready).sort()).toEqual(Object.keys(document.components.schemas['ReadyView']!.properties).sort());
  });

  it('answers in the envelope what no controller sees', async () => {
    const json = { 'content-type': 'application/json' };
    expect(await raw('/nothing/here')).toEqual({ status: 404, body: envelope(404, 'not_found') });
    expect(await raw('/v1/nothing/here')).toEqual({ status: 404, body: envelope(404, 'not_found') });
    expect(await raw('/v1/org/%zz')).toEqual({ status: 400, body: envelope(400, 'validation') });
    expect(await (await put('{"orgId":', json)).json()).toEqual(envelope(400, 'validation'));
    expect(await (await put('{"__proto__":{"x":1}}', json)).json()).toMatchObject(envelope(400, 'validation'));
    expect(await (await put(`"${'x'.repeat(1_100_000)}"`, json)).json()).toEqual(envelope(413, 'payload_too_large'));
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml']) {
      expect(await (await put('orgId=a&name=b', { 'content-type': type })).json()).toEqual(
        envelope(415, 'unsupported_media_type'),
      );
    }
    // Bytes are sent without a type.
    const untyped = await put(new TextEncoder().encode('{"orgId":"a","name":"b"}'), {});
    expect(await untyped.json()).toEqual({
      ...envelope(415, 'unsupported_media_type'),
      message: 'The body has no Content-Type: send JSON (application/json)',
    });
  });

  it('answers in the envelope what is too long or no HTTP, and ends the connection', async () => {
    const { hostname, port } = new URL(server.url);
    const send = async (text: string) => {
      const socket = connect(Number(port), hostname);
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk)).write(text);
      await once(socket, 'close');
      const [head, body] = answer.split('\r\n\r\n') as [string, string];
      expect(head.toLowerCase()).toContain('connection: close');
      expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`);
      return { line: head.split('\r\n')[0], body: JSON.parse(body) as unknown };
    };
    const long = 'x'.repeat(20_000);
    expect(await send(`GET /v1/${long} HTTP/1.1\r\nHost: a\r\n\r\n`)).toEqual({
      line: 'HTTP/1.1 431 Request Header Fields Too Large',
      body: envelope(431, 'headers_too_large'),
    });
    expect(await send(`GET /v1/orgs HTTP/1.1\r\nHost: a\r\nX-Long: ${long}\r\n\r\n`)).toMatchObject({
      body: envelope(431, 'headers_too_large'),
    });
    expect(await send('nonsense\r\n\r\n')).toEqual({
      line: 'HTTP/1.1 400 Bad Request',
      body: envelope(400, 'validation'),
    });
  });

  it('takes page 0 for the first', async () => {
    await server.root.expect('PUT', '/org', { orgId: 'pages', name: 'Pages' });
    const page = async (query: string) =>
      (await server.root.expect('GET', `/org/pages/roles?${query}`)) as {
        roles: { name: string }[];
        pagination: object;
      };
    const zero = await page('page=0&pageSize=1');
    expect(zero).toEqual(await page('page=1&pageSize=1'));
    expect(zero).toMatchObject({ roles: [{ name: 'Admin' }], pagination: { total: 5, pageSize: 1, page: 1 } });
    expect((await server.root.get('/org/pages/roles?page=-1')).status).toBe(400);
  });

  it('takes an empty JSON body for no body, and names every field that is wrong', async () => {
    for (const body of ['', '{}', '[]', 'null', '"text"', '7']) {
      const reply = await (await put(body, { 'content-type': 'application/json' })).json();
      expect(reply).toMatchObject({ status: 400, code: 'validation', fields: [{ path: 'orgId' }, { path: 'name' }] });
      expect((reply as { message: string }).message).toMatch(/^Validation error: .* at "orgId"; .* at "name"$/);
    }
  });

  it('names the entry of a list that is wrong, and says of null that it is null', async () => {
    await server.root.expect('PUT', '/org', { orgId: 'entries', name: 'Entries' });
    const post = (body: object) => server.root.put('/org/entries/provisioning-profile', { name: 'p', ...body });
    expect(await post({ groupIds: [1, 'x', 1] })).toMatchObject({
      status: 400,
      body: {
        fields: [
          { path: 'groupIds.1', problem: 'groupIds.1 must be an id, a whole number above 0' },
          { path: 'groupIds.2', problem: '1 is there twice' },
        ],
      },
    });
    expect(await post({ groupIds: [7, 7] })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'groupIds.1', problem: '7 is there twice' }] },
    });
    expect(await post({ groupIds: null })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'groupIds', problem: 'groupIds must not be null' }] },
    });
    expect(await post({ groupIds: 'all' })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'groupIds', problem: 'groupIds must be a list of at most 100 ids' }] },
    });
  });

  it('names query parameters that it does not know, on routes that take none too', async () => {
    await server.root.expect('PUT', '/org', { orgId: 'query', name: 'Query' });
    for (const path of [
      '/org/query?x=1',
      '/orgs?limit=1&x=1',
      '/orgs?limit=x',
      '/orgs?limit=0',
      '/orgs?page=1&limit=2',
      '/org/checkId?orgId=a&x=1',
    ]) {
      const reply = await server.root.get(path);
      expect([path, reply.status, reply.body.code]).toEqual([path, 400, 'validation']);
    }
    for (const orgId of ['Bad%20Id', '', 'a-', 'x'.repeat(33)]) {
      expect(await server.root.get(`/org/checkId?orgId=${orgId}`), orgId).toMatchObject({
        status: 400,
        body: { fields: [{ path: 'orgId' }] },
      });
    }
    // A limit of 0 is for this list alone (docs/integration-api.md §3.13).
    expect(await server.root.expect('GET', '/org/query/blueprints?limit=0')).toEqual({
      blueprints: [],
      pagination: { total: 0, limit: 0, offset: 0 },
    });
    expect((await server.root.get('/org/query/blueprints?limit=-1')).status).toBe(400);
    expect((await server.root.get<never>('/org/query?verbose=1')).body.message).toBe(
      'Validation error: Unrecognized query parameter at "verbose"',
    );
  });

  it('says an unknown key once, and which one was probably meant', async () => {
    await server.root.expect('PUT', '/org', { orgId: 'keys', name: 'Keys' });
    const key = (body: object) =>
      server.root.put('/org/keys/site-provisioning-key', { name: 'k', maxBatchSize: 1, ...body });
    const template = (body: object) => server.root.put('/org/keys/provisioning-template', { name: 't', ...body });
    const calls: [call: Promise<{ status: number; body: unknown }>, at: string, hint: string][] = [
      [key({ expiry: '2099-01-01' }), 'expiry', 'did you mean "validUntil"?'],
      [key({ one_time: true }), 'one_time', 'did you mean "oneTime"?'],
      [
        key({ hardware_id_pattern: 'SN-.*' }),
        'hardware_id_pattern',
        "hardwareIdPattern is a field of the key's template",
      ],
      [template({ hardware_id_pattern: 'SN-.*' }), 'hardware_id_pattern', 'did you mean "hardwareIdPattern"?'],
      [template({ one_time: true }), 'one_time', "oneTime is a field of the template's keys"],
      [template({ expiry: '2099-01-01' }), 'expiry', "validUntil is a field of the template's keys"],
      [template({ credential_type: 'api_key' }), 'credential_type', 'did you mean "credentialType"?'],
      [server.root.get('/org/keys/site-provisioning-keys?status=revoked'), 'status', 'did you mean "state"?'],
      [server.root.get('/org/keys/sites?pagesize=5'), 'pagesize', 'did you mean "pageSize"?'],
      [server.root.get('/org/keys/audit?form=2027-01-01'), 'form', 'did you mean "from"?'],
      [server.root.put('/org/keys/blueprint', { blueprint: '', nmae: 'n' }), 'nmae', 'did you mean "name"?'],
    ];
    for (const [call, path, hint] of calls) {
      const problem = `Unrecognized key (${hint})`;
      expect(await call).toMatchObject({
        status: 400,
        body: { message: `Validation error: ${problem} at "${path}"`, fields: [{ path, problem }] },
      });
    }
  });

  it('answers a preflight of /v1 for any origin, without credentials, and none of /api/v1', async () => {
    const preflight = (prefix: string) =>
      fetch(`${server.url}${prefix}/orgs`, {
        method: 'OPTIONS',
        headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'GET' },
      });
    const open = await preflight('/v1');
    expect(open.status).toBe(204);
    expect(open.headers.get('access-control-allow-origin')).toBe('*');
    expect(open.headers.get('access-control-allow-headers')).toContain('authorization');
    expect(open.headers.get('access-control-allow-credentials')).toBeNull();
    const closed = await preflight('/api/v1');
    expect(closed.status).toBe(404);
    expect(closed.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('sends security headers, errors included, and no promise of https over http', async () => {
    for (const path of ['/v1', '/nothing/here', '/api/docs']) {
      const reply = await fetch(`${server.url}${path}`);
      await reply.arrayBuffer();
      const { headers } = reply;
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(headers.get('content-security-policy')).not.toContain('upgrade-insecure-requests');
      expect(headers.get('strict-transport-security')).toBeNull();
    }
  });

  it('answers 503 in the envelope once it begins to stop, and still says that it lives', async () => {
    const stopping = await startApp(database.url);
    try {
      stopping.app.getHttpAdapter().beforeClose?.();
      stopping.app.get(Drain).begin();
      const reply = await stopping.root.get('/v1/orgs');
      expect(reply.body).toEqual(envelope(503, 'shutting_down'));
      expect(reply.headers.get('retry-after')).toBe('2');
      const ready = await fetch(`${stopping.url}/readyz`);
      expect([ready.status, await ready.json()]).toEqual([503, envelope(503, 'shutting_down')]);
      expect([ready.headers.get('retry-after'), ready.headers.get('connection')]).toEqual(['2', 'close']);
      const alive = await fetch(`${stopping.url}/healthz`);
      expect([alive.status, await alive.json()]).toEqual([200, { status: 'ok' }]);
    } finally {
      await stopping.close();
    }
  });

  it('serves the OpenAPI document and its page on both prefixes', async () => {
    for (const path of [
      '/api/docs',
      '/v1/docs',
      '/api/docs/swagger-ui-bundle.js',
      '/v1/docs/swagger-ui.css',
      '/api/openapi.yaml',
      '/v1/openapi.yaml',
      '/v1/openapi.json',
    ]) {
      const reply = await fetch(`${server.url}${path}`);
      await reply.arrayBuffer();
      expect(reply.status, path).toBe(200);
    }
    interface Operation {
      operationId: string;
      responses: Record<string, { content?: Record<string, { schema?: object }> }>;
      parameters?: { in: string; name: string }[];
    }
    const document = (await (await fetch(`${server.url}/api/openapi.json`)).json()) as {
      paths: Record<string, Record<string, Operation>>;
      servers: object[];
    };
    expect(document.servers).toEqual([{ url: '/' }]);
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.values(item).map((operation) => ({ path, operation })),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
    for (const { path, operation } of operations) {
      const named = (operation.parameters ?? []).filter((p) => p.in === 'path').map((p) => p.name);
      expect(named.sort(), path).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort());
      const successes = Object.entries(operation.responses).filter(([status]) => status < '300' && status !== '204');
      for (const [status, { content }] of successes) {
        expect(Object.values(content ?? {})[0]?.schema, `${operation.operationId} ${status}`).toBeTruthy();
      }
    }
  });
});
