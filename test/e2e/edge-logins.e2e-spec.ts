// Logins at the real edge, in front of a real agent and web servers (docs/edge-access.md).
import { once } from 'node:events';
import http from 'node:http';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createUser, logIn } from '../support/app.js';
import { type Answer, TestEdge, WebTarget } from '../support/edge.js';
import { until } from '../support/server.js';

const PIN = '271828';
const PASSWORD = 'correct horse battery';

let edge: TestEdge;
let target: WebTarget;
let siteId: number;

beforeAll(async () => {
  edge = await TestEdge.start();
  target = await WebTarget.start((request, response) => {
    if (request.url !== '/events') return void response.end(`hello ${request.url}`);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: 1\n\n');
  });
  const sockets = new WebSocketServer({ server: target.server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  ({ siteId } = await edge.site());
});
afterAll(async () => {
  target?.stop();
  await edge?.close();
});

/** A resource that is served, and then has this way in. */
async function resource(protect: (id: number) => Promise<unknown>): Promise<{ resourceId: number; host: string }> {
  const made = await edge.resource();
  await edge.target(made.resourceId, siteId, target.port);
  await edge.serves(made.host);
  await protect(made.resourceId);
  await until(async () => (await edge.get(made.host)).status === 401);
  return made;
}
const set = (id: number, path: string, body: object) => edge.app.root.expect('POST', `/resource/${id}${path}`, body);
const pin = (id: number) => set(id, '/pincode', { pincode: PIN });
const page = { headers: { accept: 'text/html' } };
const submit = (host: string, form: string, values: Record<string, string>, headers = {}) =>
  edge.ask(
    host,
    {
      method: 'POST',
      path: `/.gatehouse/${form}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    },
    new URLSearchParams(values).toString(),
  );
const cookieOf = ({ headers }: Answer, name = 'gatehouse_resource_session'): string =>
  headers['set-cookie']!.find((set) => set.startsWith(`${name}=`))!.split(';', 1)[0]!;
const withPin = async (host: string) => cookieOf(await submit(host, 'login/pincode', { secret: PIN, to: '/a' }));

describe('at the edge', () => {
  it('a browser logs in by a form, and what let it in does not reach the application', async () => {
    const { host } = await resource(pin);
    const { status, text } = await edge.get(host, '/a', page);
    expect([status, text.includes('action="/.gatehouse/login/pincode"')]).toEqual([401, true]);
    const wrong = await submit(host, 'login/pincode', { secret: '000000', to: '/a' });
    expect([wrong.status, wrong.headers['set-cookie']]).toEqual([401, undefined]);
    const before = target.requests.length;
    const right = await submit(host, 'login/pincode', { secret: PIN, to: '/a' });
    expect([right.status, right.headers.location]).toEqual([303, `http://${host}/a`]);
    expect(target.requests.length).toBe(before);
    const cookie = `a=b; ${cookieOf(right)}; c=d`;
    expect((await edge.get(host, '/a', { headers: { cookie } })).text).toBe('hello /a');
    expect(target.lastField('cookie')).toEqual(['a=b; c=d']);
  });

  it('a form that is too long is refused', async () => {
    const { host } = await resource(pin);
    expect((await submit(host, 'login/pincode', { secret: 'x'.repeat(20_000) })).status).toBe(400);
    expect((await edge.ask(host, { method: 'POST', path: '/.gatehouse/login/pincode' })).status).toBe(401);
  });

  it('basic credentials and share links end here', async () => {
    const { host, resourceId } = await resource((id) =>
      set(id, '/header-auth', { user: 'import', password: PASSWORD, extendedCompatibility: false }),
    );
    const authorization = `Basic ${Buffer.from(`import:${PASSWORD}`).toString('base64')}`;
    expect((await edge.get(host, '/b', { headers: { authorization } })).text).toBe('hello /b');
    expect(target.lastField('authorization')).toEqual([]);
    expect((await edge.get(host)).headers['www-authenticate']).toMatch(/^Basic /);

    const { accessTokenId, accessToken } = await edge.app.root.expect<{ accessTokenId: string; accessToken: string }>(
      'POST',
      `/resource/${resourceId}/access-token`,
      {},
    );
    const linked = await edge.get(host, `/c?d=e&p_token=${accessTokenId}.${accessToken}`);
    expect([linked.status, linked.headers.location]).toEqual([302, `http://${host}/c?d=e`]);
    expect((await edge.get(host, '/c?d=e', { headers: { cookie: cookieOf(linked) } })).text).toBe('hello /c?d=e');
    const headers = { 'P-Access-Token-Id': accessTokenId, 'P-Access-Token': accessToken, Authorization: 'Basic eDp5' };
    expect((await edge.ask(host, { method: 'POST', path: '/f', headers }, 'body')).status).toBe(200);
    expect(target.last.body.toString()).toBe('body');
    expect([target.lastField('p-access-token'), target.lastField('authorization')]).toEqual([[], ['Basic eDp5']]);
  });

  it('a login by the dashboard tells the application who it is, and nobody else does', async () => {
    const { host, resourceId } = await resource((id) => set(id, '', { sso: true }));
    const { app, org } = edge;
    const email = 'kim@example.com';
    const started = { app: app.nest, db: app.db, url: app.root.url, root: app.root, close: async () => undefined };
    const userId = await createUser(started, { email, password: PASSWORD });
    await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [org.orgId, userId]);
    await app.sql(
      `INSERT INTO membership_role (org_id, user_id, role_id) SELECT org_id, $2, role_id FROM role WHERE org_id = $1 AND name = 'Admin'`,
      [org.orgId, userId],
    );
    const dashboard = await logIn(app.root.url, email, PASSWORD);

    const asked = await submit(host, 'sso', { to: '/g' });
    const state = cookieOf(asked, 'gatehouse_login_state');
    const request = new URLSearchParams(new URL(asked.headers.location!).hash.slice(1)).get('request');
    const { location } = await dashboard.expect<{ location: string }>('POST', '/auth/resource-login', { request });
    const { pathname, search } = new URL(location);
    const back = await edge.get(host, pathname + search, { headers: { cookie: state } });
    expect([back.status, back.headers.location]).toEqual([302, `http://${host}/g`]);
    expect((await edge.get(host, pathname + search, { headers: { cookie: state } })).status).toBe(401);

    const cookie = cookieOf(back);
    const spoofed = { 'Remote-User': 'root', remote_email: 'root@example.com', 'Gatehouse-Assertion': 'a.b.c' };
    expect((await edge.get(host, '/g', { headers: { cookie, ...spoofed } })).status).toBe(200);
    expect(target.lastField('remote-user')).toEqual([email]);
    expect(target.lastField('remote_email')).toEqual([]);
    expect(target.lastField('remote-role')).toEqual(['Admin']);
    const [assertion, ...others] = target.lastField('gatehouse-assertion');
    expect(others).toEqual([]);
    const jwks = JSON.parse((await edge.get(host, '/.gatehouse/jwks')).text);
    const { payload } = await jwtVerify(assertion!, createLocalJWKSet(jwks), { audience: String(resourceId) });
    expect(payload).toMatchObject({ sub: userId, email, roles: ['Admin'], host });

    await dashboard.post('/auth/logout', {});
    await until(async () => (await edge.get(host, '/g', { headers: { cookie } })).status === 401);
  });

  it('what goes on is cut when what let it in ends: streams and websockets', async () => {
    const { host, resourceId } = await resource(pin);
    const cookie = await withPin(host);
    const headers = { host, cookie };
    const stream = http.get({ host: '127.0.0.1', port: edge.port, path: '/events', agent: false, headers });
    stream.on('error', () => undefined);
    const [answer] = (await once(stream, 'response')) as [http.IncomingMessage];
    await once(answer, 'data');
    let isWhole: boolean | undefined;
    answer.on('error', () => undefined).on('close', () => (isWhole = answer.complete));
    const socket = new WebSocket(`ws://127.0.0.1:${edge.port}/`, { headers });
    let isClosed = false;
    socket.on('error', () => undefined).on('close', () => (isClosed = true));
    await once(socket, 'open');
    socket.send('ping');
    expect(String((await once(socket, 'message'))[0])).toBe('ping');
    expect([isWhole, isClosed]).toEqual([undefined, false]);
    await set(resourceId, '/pincode', { pincode: '314159' });
    await until(() => isWhole !== undefined && isClosed);
    expect(isWhole).toBe(false);
    const refused = new WebSocket(`ws://127.0.0.1:${edge.port}/`, { headers });
    refused.on('error', () => undefined);
    const [, reply] = (await once(refused, 'unexpected-response')) as [unknown, http.IncomingMessage];
    expect(reply.statusCode).toBe(401);
    refused.terminate();
  });

  it('a rule lets in without a login', async () => {
    const { host, resourceId } = await resource(pin);
    await set(resourceId, '', { applyRules: true });
    const rule = { action: 'ACCEPT', match: 'PATH', value: '/open/*', priority: 1 };
    await edge.app.root.expect('PUT', `/resource/${resourceId}/rule`, rule);
    await until(async () => (await edge.get(host, '/open/x')).status === 200);
    expect((await edge.get(host, '/x')).status).toBe(401);
  });
});
