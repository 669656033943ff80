// Who may pass to a public resource (docs/edge-access.md): every way in, and what each is worth elsewhere.
import { createLocalJWKSet, jwtVerify } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { Visitor } from '../support/edge-door.js';
import {
  answerTo,
  askedOf,
  BASIC,
  codeFor,
  codeShown,
  doors,
  grant,
  loggedIn,
  mail,
  mailedCode,
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
  type Way,
} from '../support/edge-logins.js';
import { until } from '../support/server.js';

setUpEdge();

describe('a resource with one way in', () => {
  const WAYS: Way[] = ['none', 'sso', 'password', 'pincode', 'header', 'whitelist'];
  const resources = {} as Record<Way, Resource>;
  /** What somebody shows, to all of them: sessions of each, and what goes along with each request. */
  const SHOWN = [
    'nothing',
    'granted',
    'admin',
    'password',
    'pincode',
    'whitelist',
    'link',
    'header',
    'wrong header',
  ] as const;
  type Shown = (typeof SHOWN)[number] | 'token' | 'wrong token';
  const sessions = {} as Partial<Record<Shown, string>>;
  let headers: Partial<Record<Shown, object>>;
  let tokenOf: Way;

  beforeAll(async () => {
    for (const way of WAYS) resources[way] = await resource(way === 'none' ? [] : [way]);
    const [member, admin] = [await person(), await person('Admin')];
    await grant(resources.sso, member);
    const sessionOf = (visitor: Visitor, { host }: Resource) =>
      visitor.cookies(host).get('gatehouse_resource_session')!;
    sessions.granted = sessionOf(await loggedIn(member, resources.sso), resources.sso);
    sessions.admin = sessionOf(await loggedIn(admin, resources.sso), resources.sso);
    sessions.password = sessionOf(await shown(resources.password, PASSWORD), resources.password);
    sessions.pincode = sessionOf(await shown(resources.pincode, PIN), resources.pincode);
    sessions.whitelist = sessionOf(await codeShown(resources.whitelist), resources.whitelist);
    tokenOf = 'pincode';
    const link = await token(resources[tokenOf]);
    const reader = new Visitor();
    await reader.open(doors[0], resources[tokenOf].host, `/?p_token=${link.accessTokenId}.${link.accessToken}`);
    sessions.link = sessionOf(reader, resources[tokenOf]);
    headers = {
      header: { authorization: BASIC },
      'wrong header': { authorization: `Basic ${Buffer.from('import:another').toString('base64')}` },
      token: tokenHeaders(link),
      'wrong token': tokenHeaders({ ...link, accessToken: 'a'.repeat(26) }),
    };
  });

  const opens = (what: Shown, way: Way): boolean =>
    way === 'none' ||
    (what === 'granted' || what === 'admin'
      ? way === 'sso'
      : what === 'token' || what === 'link'
        ? way === tokenOf
        : what === way);

  describe.each(WAYS)('by %s', (way) => {
    it.each([...SHOWN, 'token', 'wrong token'] as Shown[])('is shown %s', async (what) => {
      const { host } = resources[way];
      const cookie = sessions[what] ? { cookie: `gatehouse_resource_session=${sessions[what]}` } : {};
      for (const door of doors)
        for (const accept of ['text/html', '*/*']) {
          const sent = { headers: { accept, ...cookie, ...headers[what] } };
          const { status, body, headers: answered } = await new Visitor().send(door, host, '/', sent);
          const isPage = accept === 'text/html';
          if (opens(what, way)) {
            expect(status).toBe(200);
            const by = way === 'none' ? 'none' : what === 'token' || what === 'link' ? 'token' : way;
            expect(JSON.parse(body)).toMatchObject({ by, withoutAuthorization: by === 'header' });
            continue;
          }
          expect(status).toBe(401);
          expect(answered['cache-control']).toBe('no-store');
          if (isPage) expect(body).toContain('<h1>Log in</h1>');
          else expect(JSON.parse(body)).toMatchObject({ status: 401, code: 'unauthenticated' });
          expect(answered['www-authenticate'] !== undefined).toBe(way === 'header');
        }
    });
  });

  it('is not opened by the dashboard for who has no grant', async () => {
    const stranger = await person();
    const { status, body } = await answerTo(stranger, await askedOf(new Visitor(), resources.sso));
    expect([status, body.code]).toEqual([403, 'permission_denied']);
    const { roleId } = (await rolesOf()).find(({ name }) => name === 'Member')!;
    await two.root.expect('POST', `/resource/${resources.sso.resourceId}/roles`, { roleIds: [roleId] });
    expect((await answerTo(stranger, await askedOf(new Visitor(), resources.sso))).status).toBe(200);
  });
});

describe('what is remembered', () => {
  it('decides at once', async () => {
    const app = await resource(['password', 'header']);
    const visitor = await shown(app, PASSWORD);
    for (const headers of [{}, { authorization: BASIC }]) {
      const who = 'authorization' in headers ? new Visitor() : visitor;
      expect((await who.send(doors[0], app.host, '/', { headers })).status).toBe(200);
      expect((await who.send(doors[0], app.host, '/', { headers })).status).toBe(200);
      expect(doors[0].wasAtOnce).toBe(true);
    }
    expect((await new Visitor().send(doors[0], app.host)).status).toBe(401);
    expect(doors[0].wasAtOnce).toBe(true);
  });
});

describe('a login by the dashboard', () => {
  let app: Resource;
  let who: Person;
  beforeAll(async () => {
    app = await resource(['sso']);
    who = await person();
    await grant(app, who);
  });
  const follow = (visitor: Visitor, location: string, host = app.host, door = doors[1]) => {
    const { pathname, search } = new URL(location);
    return visitor.open(door, host, pathname + search);
  };

  it('leads back to where one wanted to go, and says to the application who it is', async () => {
    const visitor = new Visitor();
    const location = await codeFor(who, visitor, app, '/a?b=c');
    expect(location).toMatch(new RegExp(`^http://${app.host}/\\.gatehouse/callback\\?code=[\\w-]{43}$`));
    const { status, headers } = await follow(visitor, location);
    expect([status, headers.location]).toEqual([302, `http://${app.host}/a?b=c`]);
    expect([headers['cache-control'], headers['referrer-policy']]).toEqual(['no-store', 'no-referrer']);
    const { identity } = JSON.parse((await visitor.send(doors[1], app.host)).body);
    expect(identity).toMatchObject({ userId: who.userId, user: who.email, email: who.email, role: 'Member' });
    const jwks = await visitor.send(doors[0], app.host, '/.gatehouse/jwks');
    const { payload } = await jwtVerify(identity.assertion, createLocalJWKSet(JSON.parse(jwks.body)), {
      audience: String(app.resourceId),
    });
    expect(payload).toMatchObject({ sub: who.userId, email: who.email, roles: ['Member'], host: app.host });
  });

  it('works once, for one minute', async () => {
    const visitor = new Visitor();
    const location = await codeFor(who, visitor, app);
    const both = await Promise.all(doors.map((door) => follow(visitor, location, app.host, door)));
    expect(both.map(({ status }) => status).sort()).toEqual([302, 401]);
    expect((await follow(visitor, location)).status).toBe(401);
    const late = await codeFor(who, visitor, app);
    const [row] = await sql<{ seconds: number }>(
      'SELECT extract(epoch FROM max(expires_at) - now())::float8 AS seconds FROM resource_login_code WHERE used_at IS NULL',
    );
    expect(row!.seconds).toBeGreaterThan(30);
    expect(row!.seconds).toBeLessThanOrEqual(60);
    await sql('UPDATE resource_login_code SET expires_at = now() WHERE used_at IS NULL');
    const { status, body } = await follow(visitor, late);
    expect([status, body.includes('begun in another browser')]).toEqual([401, true]);
  });

  it('works nowhere but at the host that asked, in the browser that asked', async () => {
    const other = await resource(['sso']);
    const visitor = new Visitor();
    await grant(other, who);
    // The same browser has logins under way at both.
    await askedOf(visitor, other);
    const location = await codeFor(who, visitor, app);
    const state = visitor.cookies(app.host).get('gatehouse_login_state')!;
    visitor.cookies(other.host).set('gatehouse_login_state', state);
    expect((await follow(visitor, location, other.host)).status).toBe(401);
    expect((await follow(visitor, location, `${app.host}:8080`)).status).toBe(401);
    expect((await follow(new Visitor(), location)).status).toBe(401);
    const planted = new Visitor();
    planted.cookies(app.host).set('gatehouse_login_state', 'a'.repeat(43));
    expect((await follow(planted, location)).status).toBe(401);
    expect((await follow(visitor, location)).status).toBe(302);
    expect(JSON.stringify(await sql('SELECT code_hash, state_hash FROM resource_login_code'))).not.toContain(state);
  });

  it('is asked for by resources alone, and leads nowhere else', async () => {
    const visitor = new Visitor();
    const [payload, mac] = (await askedOf(visitor, app)).split('.') as [string, string];
    const asked = JSON.parse(Buffer.from(payload, 'base64url').toString()) as unknown[];
    const changed = Buffer.from(JSON.stringify([asked[0], 'http://elsewhere.example', ...asked.slice(2)]));
    for (const request of ['', 'x', payload, `${changed.toString('base64url')}.${mac}`])
      expect((await answerTo(who, request)).status).toBe(400);
    for (const to of [
      'https://elsewhere.example/',
      '//elsewhere.example',
      '/\\elsewhere.example',
      '/\t/elsewhere.example',
    ]) {
      const { headers } = await follow(visitor, await codeFor(who, visitor, app, to));
      expect(new URL(headers.location!).host).toBe(app.host);
    }
  });

  it('needs a session at the dashboard', async () => {
    const request = await askedOf(new Visitor(), app);
    expect((await one.root.as(undefined).post('/auth/resource-login', { request })).status).toBe(403);
    const anybody = one.root.as(undefined, { 'x-csrf-token': 'x-csrf-protection' });
    expect((await anybody.post('/auth/resource-login', { request })).status).toBe(401);
  });
});

describe('forms', () => {
  it('lead to where one wanted to go, or where the resource has everybody begin', async () => {
    const app = await resource(['pincode']);
    const visitor = new Visitor();
    const { body } = await visitor.open(doors[0], app.host, '/a?b=%22c');
    expect(body).toContain('name="to" value="/a?b=%22c"');
    expect(body).toContain('The Acme');
    const { status, headers } = await visitor.submit(doors[0], app.host, 'login/pincode', { secret: PIN, to: '/a?b' });
    expect([status, headers.location]).toEqual([303, `http://${app.host}/a?b`]);
    const begins = await resource(['pincode'], { postAuthPath: '/home' });
    const there = await visitor.submit(doors[0], begins.host, 'login/pincode', { secret: PIN, to: '/a' });
    expect(there.headers.location).toBe(`http://${begins.host}/home`);
  });

  it.each(['https://elsewhere.example/', '//elsewhere.example/', '/\\elsewhere.example', '@elsewhere.example'])(
    'never lead to %s',
    async (to) => {
      const app = await resource(['password']);
      const { headers } = await new Visitor().submit(doors[0], app.host, 'login/password', { secret: PASSWORD, to });
      expect(new URL(headers.location!).host).toBe(app.host);
    },
  );

  it('are not taken from pages of other hosts', async () => {
    const app = await resource(['pincode']);
    const send = (headers: object) =>
      new Visitor().submit(doors[0], app.host, 'login/pincode', { secret: PIN }, headers);
    for (const headers of [
      { origin: 'http://elsewhere.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ])
      expect((await send(headers)).status).toBe(403);
    expect((await send({ origin: `http://${app.host}`, 'sec-fetch-site': 'same-origin' })).status).toBe(303);
  });

  it('take nothing by GET, and nothing that the resource does not ask for', async () => {
    const app = await resource(['sso']);
    const visitor = new Visitor();
    expect((await visitor.open(doors[0], app.host, `/.gatehouse/login/pincode?secret=${PIN}`)).status).toBe(303);
    for (const page of ['login/pincode', 'login/password', 'login/email', 'login/code'])
      expect((await visitor.submit(doors[0], app.host, page, { secret: PIN, email: 'kim@example.com' })).status).toBe(
        401,
      );
    expect((await visitor.open(doors[0], app.host, '/.gatehouse/x')).status).toBe(404);
    expect((await visitor.send(doors[0], app.host, '/.gatehouse/login', { method: 'PUT' })).status).toBe(405);
    expect(mail.mails).toEqual([]);
  });

  it('log out at this resource', async () => {
    const [app, other] = [await resource(['pincode']), await resource(['pincode'])];
    const visitor = await shown(other, PIN, await shown(app, PIN));
    const copy = new Visitor();
    copy.jars.set(app.host, new Map(visitor.cookies(app.host)));
    expect((await visitor.open(doors[0], app.host, '/.gatehouse/logout')).body).toContain(
      'action="/.gatehouse/logout"',
    );
    expect((await copy.send(doors[1], app.host)).status).toBe(200);
    expect((await visitor.submit(doors[0], app.host, 'logout', {})).status).toBe(200);
    expect((await visitor.send(doors[0], app.host)).status).toBe(401);
    await until(async () => (await copy.send(doors[1], app.host)).status === 401);
    expect((await visitor.send(doors[0], other.host)).status).toBe(200);
  });
});

describe('a share link', () => {
  it('is exchanged for a session, and leaves the address', async () => {
    const app = await resource(['sso']);
    const { accessTokenId, accessToken } = await token(app, { validForSeconds: 600 });
    const link = `p_token=${accessTokenId}.${accessToken}`;
    const visitor = new Visitor();
    const { status, headers } = await visitor.open(doors[0], app.host, `/a?b=c&${link}&d`);
    expect([status, headers.location]).toEqual([302, `http://${app.host}/a?b=c&d`]);
    expect([headers['cache-control'], headers['referrer-policy']]).toEqual(['no-store', 'no-referrer']);
    expect(JSON.parse((await visitor.send(doors[1], app.host)).body)).toMatchObject({ by: 'token' });
    const [row] = await sql<{ seconds: number }>(
      'SELECT extract(epoch FROM expires_at - created_at)::float8 AS seconds FROM resource_session WHERE access_token_id = $1',
      [accessTokenId],
    );
    expect(row!.seconds).toBeCloseTo(600);
    const elsewhere = await visitor.open(doors[0], app.host, `//elsewhere.example/?${link}`);
    expect(elsewhere.headers.location).toBe(`http://${app.host}//elsewhere.example/`);
    const posted = await new Visitor().send(doors[0], app.host, `/?${link}`, { method: 'POST' });
    expect(JSON.parse(posted.body)).toMatchObject({ by: 'token' });
  });

  it('opens its resource alone, while it lasts', async () => {
    const [app, other] = [await resource(['sso']), await resource(['sso'])];
    const made = await token(app, { validForSeconds: 600 });
    const link = `/?p_token=${made.accessTokenId}.${made.accessToken}`;
    expect((await new Visitor().open(doors[0], other.host, link)).status).toBe(401);
    expect((await new Visitor().open(doors[0], app.host, `${link}x`)).status).toBe(401);
    await sql('UPDATE access_token SET expires_at = now() WHERE access_token_id = $1', [made.accessTokenId]);
    expect((await new Visitor().open(doors[0], app.host, link)).status).toBe(401);
    expect((await new Visitor().send(doors[1], app.host, '/', { headers: tokenHeaders(made) })).status).toBe(401);
  });
});

describe('a mailed code', () => {
  it('says of no address whether it is listed', async () => {
    const app = await resource(['whitelist']);
    const pages = await Promise.all(
      ['kim@example.com', 'any@partner.example', 'nobody@example.com'].map(async (email) => {
        const reply = await new Visitor().submit(doors[0], app.host, 'login/email', { email });
        expect(reply.headers['set-cookie']).toHaveLength(1);
        return [reply.status, reply.body.replaceAll(email, '').replace(/request <code>\w+/, '')];
      }),
    );
    expect(pages[1]).toEqual(pages[0]);
    expect(pages[2]).toEqual(pages[0]);
    expect(await mailedCode('kim@example.com')).toMatch(/^\d{8}$/);
    expect(await mailedCode('any@partner.example')).toMatch(/^\d{8}$/);
    expect(mail.mails).toEqual([]);
  });

  it('works once, for its address, in the browser that asked, for five tries', async () => {
    const app = await resource(['whitelist']);
    const email = 'kim@example.com';
    const [visitor, other] = [new Visitor(), new Visitor()];
    const ask = async () => {
      await visitor.submit(doors[0], app.host, 'login/email', { email: ' Kim@Example.com ' });
      return mailedCode(email);
    };
    const show = (code: string, who = visitor, door = doors[1]) =>
      who.submit(door, app.host, 'login/code', { code, email }).then(({ status }) => status);
    const code = await ask();
    await other.submit(doors[0], app.host, 'login/email', { email: 'nobody@example.com' });
    expect(await show(code, other)).toBe(401);
    const both = await Promise.all(doors.map((door) => show(`${code.slice(0, 4)} ${code.slice(4)}`, visitor, door)));
    expect(both.sort()).toEqual([303, 401]);
    expect(await show(code)).toBe(401);
    const { identity } = JSON.parse((await visitor.send(doors[0], app.host)).body);
    expect(identity).toMatchObject({ userId: null, user: email, email, role: '' });

    const second = await ask();
    const wrong = second === '00000000' ? '00000001' : '00000000';
    for (let i = 0; i < 5; i++) expect(await show(wrong)).toBe(401);
    expect(await show(second)).toBe(401);

    const third = await ask();
    await sql('UPDATE resource_mail_code SET expires_at = now() WHERE used_at IS NULL');
    expect(await show(third)).toBe(401);
  });

  it('is mailed to one address five times an hour', async () => {
    const app = await resource(['whitelist']);
    const email = 'often@partner.example';
    for (let i = 0; i < 5; i++) {
      await new Visitor().submit(doors[0], app.host, 'login/email', { email });
      await mailedCode(email);
    }
    expect((await new Visitor().submit(doors[0], app.host, 'login/email', { email })).status).toBe(200);
    await new Visitor().submit(doors[0], app.host, 'login/email', { email: 'other@partner.example' });
    await mailedCode('other@partner.example');
    expect(mail.mails).toEqual([]);
  });
});

it('no secret of a visitor is stored as it is', async () => {
  const rows = JSON.stringify(
    await Promise.all(
      ['resource_session', 'resource_mail_code', 'resource_login_code'].map((t) => sql(`SELECT t::text FROM ${t} t`)),
    ),
  );
  for (const secret of [PASSWORD, PIN, org.orgId]) expect(rows).not.toContain(secret);
});
