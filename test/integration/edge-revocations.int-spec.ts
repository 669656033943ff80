// What let a visitor in ends at every server, and cuts what is going on (docs/edge-access.md "Sessions").
import { describe, expect, it } from 'vitest';
import { EdgeAccess } from '../../src/edge/access/edge-access.js';
import type { EdgeRequest, Granted } from '../../src/edge/access/edge-request.js';
import { RouteTable } from '../../src/edge/routing/route-table.js';
import { logIn } from '../support/app.js';
import { Visitor } from '../support/edge-door.js';
import {
  BASIC,
  codeShown,
  doors,
  grant,
  loggedIn,
  one,
  org,
  PASSWORD,
  type Person,
  PIN,
  person,
  type Resource,
  resource,
  rolesOf,
  setUpEdge,
  shown,
  sql,
  token,
  tokenHeaders,
  two,
} from '../support/edge-logins.js';
import { until } from '../support/server.js';

setUpEdge();

const root = (method: string, path: string, body?: object) => two.root.expect(method, path, body);

/** Something goes on at both servers until `end`, and then nothing of it is let in any more; others go on. */
async function ends(app: Resource, visitor: Visitor, end: () => Promise<unknown>, headers = {}, others?: Visitor) {
  const streams = await Promise.all(doors.map((door) => visitor.stream(door, app.host, headers)));
  const theirs = others ? await Promise.all(doors.map((door) => others.stream(door, app.host))) : [];
  expect(streams.map(({ isCut }) => isCut())).toEqual([false, false]);
  await end();
  for (const { isCut } of streams) await until(isCut);
  for (const door of doors)
    await until(async () => (await visitor.send(door, app.host, '/', { headers })).status === 401);
  for (const door of doors) if (others) expect((await others.send(door, app.host)).status).toBe(200);
  expect(theirs.map(({ isCut }) => isCut())).toEqual(theirs.map(() => false));
  for (const { end: close } of [...streams, ...theirs]) close();
}

describe('a session by the dashboard ends with', () => {
  const make = async (role?: string): Promise<{ app: Resource; who: Person; visitor: Visitor; other: Visitor }> => {
    const [app, who, neighbour] = [await resource(['sso']), await person(role), await person('Admin')];
    if (!role) await grant(app, who);
    return { app, who, visitor: await loggedIn(who, app), other: await loggedIn(neighbour, app) };
  };

  it('the logout at the dashboard, and with no other session of the user', async () => {
    const { app, who } = await make();
    const again = { ...who, api: await logIn(two.url, who.email, PASSWORD) };
    await ends(app, await loggedIn(again, app), () => again.api.post('/auth/logout', {}), {}, await loggedIn(who, app));
  });

  it('every session of a user whose password is changed', async () => {
    const { app, who, visitor, other } = await make();
    const elsewhere = await logIn(two.url, who.email, PASSWORD);
    const body = { currentPassword: PASSWORD, newPassword: `${PASSWORD} 2` };
    await ends(app, visitor, () => elsewhere.expect('POST', '/auth/change-password', body), {}, other);
  });

  it('the grant of the user', async () => {
    const { app, visitor, other } = await make();
    await ends(app, visitor, () => root('POST', `/resource/${app.resourceId}/users`, { userIds: [] }), {}, other);
  });

  it('the grant of a role, and the role of the user', async () => {
    for (const end of ['grant', 'role'] as const) {
      const { app, who, other } = await make();
      const name = `ops ${app.resourceId}`;
      const { roleId } = await two.root.expect<{ roleId: number }>('PUT', org.path('role'), { name });
      await root('POST', `/resource/${app.resourceId}/users`, { userIds: [] });
      await root('POST', `/resource/${app.resourceId}/roles`, { roleIds: [roleId] });
      await root('POST', `/user/${who.userId}/add-role/${roleId}`);
      const member = (await rolesOf()).find((role) => role.name === 'Member')!;
      const visitor = await loggedIn(who, app);
      await ends(
        app,
        visitor,
        () =>
          end === 'grant'
            ? root('POST', `/resource/${app.resourceId}/roles`, { roleIds: [] })
            : root('POST', `/role/${member.roleId}/add/${who.userId}`),
        {},
        other,
      );
    }
  });

  it('the membership, and the role Admin', async () => {
    const first = await make();
    await ends(first.app, first.visitor, () => root('DELETE', org.path(`user/${first.who.userId}`)), {}, first.other);
    const { app, who, visitor, other } = await make('Admin');
    const member = (await rolesOf()).find(({ name }) => name === 'Member')!;
    await ends(app, visitor, () => root('POST', `/role/${member.roleId}/add/${who.userId}`), {}, other);
  });

  it('this way in, and the resource', async () => {
    const { app, visitor } = await make();
    await root('POST', `/resource/${app.resourceId}/pincode`, { pincode: PIN });
    await ends(app, visitor, () => root('POST', `/resource/${app.resourceId}`, { sso: false }));
    const [gone] = [await make()];
    const stream = await gone.visitor.stream(doors[0], gone.app.host);
    await root('DELETE', `/resource/${gone.app.resourceId}`);
    await until(stream.isCut);
  });

  it('its time at the dashboard, and eight hours without a request', async () => {
    for (const change of [
      'UPDATE user_session SET expires_at = now() WHERE session_id = $1',
      `UPDATE resource_session SET last_used_at = now() - interval '8 hours' WHERE login_session_id = $1`,
      'UPDATE resource_session SET expires_at = now() WHERE login_session_id = $1',
    ]) {
      const { app, visitor } = await make();
      const [row] = await sql<{ id: string }>(
        'SELECT login_session_id AS id FROM resource_session WHERE resource_id = $1 ORDER BY created_at LIMIT 1',
        [app.resourceId],
      );
      // Nothing is remembered of it where it was never used.
      await sql(change, [row!.id]);
      expect((await visitor.send(doors[1], app.host)).status).toBe(401);
    }
  });
});

describe('what was shown ends with', () => {
  it('the password and the PIN', async () => {
    const app = await resource(['password', 'pincode']);
    const set = (what: string, value: string | null) => () =>
      root('POST', `/resource/${app.resourceId}/${what}`, { [what]: value });
    const byPin = await shown(app, PIN);
    await ends(app, await shown(app, PASSWORD), set('password', `${PASSWORD} 2`), {}, byPin);
    await ends(app, byPin, set('pincode', '314159'));
    await set('pincode', PIN)();
    // The server at whose door it is shown hears of it a moment later.
    const again = await until(() => shown(app, PIN).catch(() => undefined));
    await ends(app, again, set('pincode', null));
  });

  it('the address on the list', async () => {
    const app = await resource(['whitelist']);
    const path = `/resource/${app.resourceId}/whitelist`;
    const [kim, other] = [await codeShown(app), await codeShown(app, 'a@partner.example')];
    await ends(app, kim, () => root('POST', `${path}/remove`, { email: 'kim@example.com' }), {}, other);
    await ends(app, other, () => root('POST', path, { emails: ['kim@example.com'] }));
  });

  it('the token, of its sessions and of its requests', async () => {
    const app = await resource(['sso']);
    const [made, kept] = [await token(app), await token(app)];
    const visit = async ({ accessTokenId, accessToken }: typeof made) => {
      const visitor = new Visitor();
      await visitor.open(doors[0], app.host, `/?p_token=${accessTokenId}.${accessToken}`);
      return visitor;
    };
    const other = await visit(kept);
    const requests = await new Visitor().stream(doors[0], app.host, tokenHeaders(made));
    await ends(app, await visit(made), () => root('DELETE', `/access-token/${made.accessTokenId}`), {}, other);
    await until(requests.isCut);
    await ends(app, new Visitor(), () => root('DELETE', `/access-token/${kept.accessTokenId}`), tokenHeaders(kept));
  });

  it('header authentication', async () => {
    const app = await resource(['header', 'pincode']);
    const other = await shown(app, PIN);
    const body = { user: 'import', password: `${PASSWORD} 2`, extendedCompatibility: false };
    const change = () => root('POST', `/resource/${app.resourceId}/header-auth`, body);
    await ends(app, new Visitor(), change, { authorization: BASIC }, other);
  });

  it('a change that came before anybody listened', async () => {
    const app = await resource(['pincode']);
    const visitor = await shown(app, PIN);
    expect((await visitor.send(doors[0], app.host)).status).toBe(200);
    const cookie = [...visitor.cookies(app.host)].map((pair) => pair.join('=')).join('; ');
    const request: EdgeRequest = {
      route: one.app.get(RouteTable).find(app.host)!,
      scheme: 'http',
      host: app.host,
      method: 'GET',
      path: '/',
      query: '',
      rawHeaders: ['cookie', cookie],
      client: '127.0.0.1',
      requestId: 'r',
      page: false,
    };
    const granted = (await one.app.get(EdgeAccess).decide(request)) as Granted;
    expect(granted.by).toBe('pincode');
    await root('POST', `/resource/${app.resourceId}/pincode`, { pincode: '314159' });
    await until(async () => (await visitor.send(doors[0], app.host)).status === 401);
    await new Promise<void>((told) => granted.onEnd(told));
    let called = 0;
    granted.onEnd(() => called++)();
    await new Promise<void>((told) => granted.onEnd(told));
    expect(called).toBe(0);
  });

  it('the time that a token has', async () => {
    const app = await resource(['sso']);
    const made = await token(app, { validForSeconds: 1 });
    const stream = await new Visitor().stream(doors[0], app.host, tokenHeaders(made));
    await until(stream.isCut);
  });
});
