// Wrong PINs, passwords and codes (docs/edge-access.md "Guesses"), and a server that hears of no change.
import { afterAll, describe, expect, it } from 'vitest';
import { RouteLoader } from '../../src/edge/routing/route-loader.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { Visitor } from '../support/edge-door.js';
import {
  BASIC,
  doors,
  grant,
  loggedIn,
  one,
  org,
  PASSWORD,
  PIN,
  person,
  type Resource,
  resource,
  setUpEdge,
  shown,
  sql,
  two,
} from '../support/edge-logins.js';
import { until } from '../support/server.js';

let proxy: DatabaseProxy;
setUpEdge(async (url) => {
  proxy = await DatabaseProxy.start(url);
  return proxy.url;
});
afterAll(() => proxy?.stop());

const enter = ({ host }: Resource, secret: string, visitor = new Visitor(), door = doors[0]) =>
  visitor.submit(door, host, 'login/pincode', { secret }).then(({ status }) => status);
const guessed = ({ resourceId }: Resource) =>
  sql<{ data: object }>(
    `SELECT data FROM event WHERE org_id = $1 AND type = 'resource.guessed' AND data ->> 'resourceId' = $2`,
    [org.orgId, String(resourceId)],
  );
/** As if so many had been wrong. */
const count = ({ resourceId }: Resource, bucket: string, n: number) =>
  sql(
    `INSERT INTO resource_guess (resource_id, bucket, count, ends_at) VALUES ($1, $2, $3, now() + interval '1 hour')
     ON CONFLICT (resource_id, bucket) DO UPDATE SET count = $3`,
    [resourceId, bucket, n],
  );
const counted = async ({ resourceId }: Resource) =>
  Object.fromEntries(
    (
      await sql<{ bucket: string; count: number }>('SELECT bucket, count FROM resource_guess WHERE resource_id = $1', [
        resourceId,
      ])
    ).map((row) => [row.bucket, row.count]),
  );

describe('wrong ones', () => {
  it('are counted by address and resource, at all servers; right ones are not', async () => {
    const app = await resource(['pincode']);
    const from = (address: string) => new Visitor(address);
    expect(await enter(app, PIN, from('192.0.2.1'))).toBe(303);
    for (const door of doors) expect(await enter(app, '000000', from('192.0.2.1'), door)).toBe(401);
    expect(await enter(app, '000000', from('2001:db8::1'))).toBe(401);
    expect(await enter(app, '000000', from('2001:db8::2'))).toBe(401);
    expect(await counted(app)).toEqual({ 'from 192.0.2.1': 2, 'from 2001:db8:0:0::/64': 2, strangers: 4 });
  });

  it('of one address are twenty an hour, and shut nobody else out', async () => {
    const app = await resource(['pincode']);
    const noisy = () => new Visitor('192.0.2.2');
    const statuses = [];
    for (let i = 0; i < 22; i++) statuses.push(await enter(app, '000000', noisy()));
    expect(statuses).toEqual([...Array(20).fill(401), 429, 429]);
    expect(await enter(app, PIN, noisy())).toBe(429);
    expect(await enter(app, PIN, new Visitor('192.0.2.3'))).toBe(303);
    expect((await counted(app)).strangers).toBe(20);
    await sql(`UPDATE resource_guess SET ends_at = now() WHERE resource_id = $1`, [app.resourceId]);
    expect(await enter(app, PIN, noisy())).toBe(303);
  });

  it('beyond a hundred leave in who was right before, and who logs in by the dashboard; operators are told once', async () => {
    const app = await resource(['pincode', 'sso', 'header']);
    const who = await person();
    await grant(app, who);
    const regular = await shown(app, PIN, new Visitor('192.0.2.4'));
    const program = () => new Visitor('192.0.2.5').send(doors[0], app.host, '/', { headers: { authorization: BASIC } });
    expect((await program()).status).toBe(200);
    await count(app, 'strangers', 99);
    expect(await enter(app, '000000')).toBe(401);
    expect(await guessed(app)).toEqual([]);
    expect(await enter(app, PIN)).toBe(429);
    expect(await enter(app, PIN, new Visitor('192.0.2.9'), doors[1])).toBe(429);
    expect((await guessed(app)).map(({ data }) => data)).toEqual([{ resourceId: app.resourceId, by: 'strangers' }]);
    const other = `Basic ${Buffer.from('import:other').toString('base64')}`;
    const basic = (authorization: string, address: string, door = doors[0]) =>
      new Visitor(address).send(door, app.host, '/', { headers: { authorization } }).then(({ status }) => status);
    expect(await basic(BASIC, '192.0.2.5')).toBe(200);
    expect(await basic(BASIC, '192.0.2.10', doors[1])).toBe(401);
    expect(await basic(other, '192.0.2.10')).toBe(401);

    regular.cookies(app.host).delete('gatehouse_resource_session');
    expect(await enter(app, PIN, regular)).toBe(303);
    const stolen = new Visitor();
    stolen.cookies(app.host).set('gatehouse_known_browser', `${'a'.repeat(22)}.${'b'.repeat(43)}`);
    expect(await enter(app, PIN, stolen)).toBe(429);
    expect((await (await loggedIn(who, app)).send(doors[0], app.host)).status).toBe(200);
    // Who was right before guesses no more often than others.
    const statuses = [];
    for (let i = 0; i < 21; i++) statuses.push(await enter(app, '000000', regular));
    expect(statuses.slice(-2)).toEqual([401, 429]);
  });

  it('many at once do not get past the bound', async () => {
    const app = await resource(['pincode']);
    await count(app, 'strangers', 95);
    const at = Array.from({ length: 12 }, (_, i) => enter(app, '000000', new Visitor(`198.51.100.${i}`), doors[i % 2]));
    const statuses = await Promise.all(at);
    expect(statuses.filter((status) => status === 401)).toHaveLength(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(7);
  });

  it('of Basic are compared once a minute each', async () => {
    const app = await resource(['header']);
    const wrong = { authorization: `Basic ${Buffer.from('import:wrong').toString('base64')}` };
    for (let i = 0; i < 3; i++)
      expect((await new Visitor().send(doors[0], app.host, '/', { headers: wrong })).status).toBe(401);
    expect(await counted(app)).toEqual({ 'from 127.0.0.1': 1, strangers: 1 });
  });
});

describe('a server that hears of no change', () => {
  it('lets nobody in to a protected resource until it hears again, and the others go on', async () => {
    const [app, open] = [await resource(['pincode', 'sso']), await resource([])];
    const who = await person();
    await grant(app, who);
    const [visitor, byLogin] = [await shown(app, PIN), await loggedIn(who, app)];
    const stream = await visitor.stream(doors[0], app.host);
    expect((await visitor.send(doors[0], app.host)).status).toBe(200);
    await proxy.cut();
    await until(() => one.app.get(RouteLoader).ageSeconds > 0);
    for (const each of [visitor, byLogin, new Visitor()]) {
      const { status, body } = await each.send(doors[0], app.host);
      expect([status, JSON.parse(body).code]).toEqual([503, 'login_unavailable']);
    }
    expect((await visitor.open(doors[0], app.host)).body).toContain('Logging in is not possible now');
    expect(await enter(app, PIN)).toBe(503);
    expect((await visitor.send(doors[0], open.host)).status).toBe(200);
    expect((await visitor.send(doors[1], app.host)).status).toBe(200);
    expect(stream.isCut()).toBe(false);

    // What ended meanwhile has ended.
    await two.root.expect('POST', `/resource/${app.resourceId}/pincode`, { pincode: '314159' });
    await proxy.restore();
    await until(stream.isCut);
    await until(() => one.app.get(RouteLoader).ageSeconds === 0);
    expect((await visitor.send(doors[0], app.host)).status).toBe(401);
    expect((await byLogin.send(doors[0], app.host)).status).toBe(200);
    // Whoever logs in is told to try again until connections to PostgreSQL are new.
    await until(async () => (await enter(app, '314159')) === 303);
  });
});

it('a secret is compared with what is set now', async () => {
  const app = await resource(['password']);
  await shown(app, PASSWORD);
  await two.root.expect('POST', `/resource/${app.resourceId}/password`, { password: `${PASSWORD} 2` });
  await until(async () => {
    const { status } = await new Visitor().submit(doors[0], app.host, 'login/password', { secret: `${PASSWORD} 2` });
    return status === 303;
  });
  const { status } = await new Visitor().submit(doors[0], app.host, 'login/password', { secret: PASSWORD });
  expect(status).toBe(401);
});
