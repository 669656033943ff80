import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { KeyRing } from '#platform';
import { AccessCookies, type SessionTicket } from './access-cookies.js';
import type { EdgeRequest } from './edge-request.js';

const key = randomBytes(32);
const cookies = new AccessCookies(new KeyRing(key));
const NOW = Date.UTC(2026, 10, 30);

type Asked = Parameters<AccessCookies['sessions']>[0];
const asked = (more: Partial<Pick<EdgeRequest, 'host' | 'scheme' | 'rawHeaders'>> = {}, resourceId = 7): Asked => ({
  route: { settings: { resourceId } },
  host: 'app.example.com',
  scheme: 'http',
  rawHeaders: [],
  ...more,
});
const ticket = (more: Partial<SessionTicket> = {}): SessionTicket => ({
  sessionId: randomUUID(),
  method: 'sso',
  loginSessionId: randomUUID(),
  issuedAt: NOW / 1000 - 60,
  ...more,
});
const pairOf = (setCookie: string): string => setCookie.split(';', 1)[0]!;
const shown = (pair: string, more: Parameters<typeof asked>[0] = {}, resourceId?: number) =>
  cookies.sessions(asked({ rawHeaders: ['Cookie', pair], ...more }, resourceId), NOW);

describe('the cookie of a session', () => {
  it('says at its host and resource what it was set with', () => {
    for (const method of ['sso', 'password', 'pincode', 'whitelist', 'token'] as const) {
      const made = ticket({ method, ...(method === 'sso' ? {} : { loginSessionId: '' }) });
      expect(shown(pairOf(cookies.setSession(asked(), made)))).toEqual([made]);
    }
  });

  it('says nothing at another host or resource, over the other scheme, or under another key', () => {
    const pair = pairOf(cookies.setSession(asked(), ticket()));
    expect(shown(pair)).toHaveLength(1);
    expect(shown(pair, { host: 'APP.example.com.:8080' })).toHaveLength(1);
    expect(shown(pair, { host: 'other.example.com' })).toEqual([]);
    expect(shown(pair, {}, 8)).toEqual([]);
    expect(shown(pair, { scheme: 'https' })).toEqual([]);
    const others = new AccessCookies(new KeyRing(randomBytes(32)));
    expect(others.sessions(asked({ rawHeaders: ['Cookie', pair] }), NOW)).toEqual([]);
    const rotated = new AccessCookies(new KeyRing(randomBytes(32), key));
    expect(rotated.sessions(asked({ rawHeaders: ['Cookie', pair] }), NOW)).toHaveLength(1);
  });

  it('says nothing once any part of it was changed', () => {
    const pair = pairOf(cookies.setSession(asked(), ticket()));
    const [name, value] = pair.split('=') as [string, string];
    for (let i = 0; i < value.length - 1; i++) {
      const changed = value.slice(0, i) + (value[i] === 'a' ? 'b' : 'a') + value.slice(i + 1);
      expect(shown(`${name}=${changed}`), changed).toEqual([]);
    }
    for (const text of ['', '....', value.slice(0, -1), `${value}.`, `x.${value}`])
      expect(shown(`${name}=${text}`)).toEqual([]);
  });

  it('ends a day after it was begun', () => {
    const at = (issuedAt: number) => shown(pairOf(cookies.setSession(asked(), ticket({ issuedAt })))).length;
    expect([at(NOW / 1000 - 86_399), at(NOW / 1000 - 86_400)]).toEqual([1, 0]);
  });

  it('is found among others by its name', () => {
    const [one, two] = [ticket(), ticket()];
    const pairs = [one, two].map((made) => pairOf(cookies.setSession(asked(), made)));
    expect(shown(`gatehouse_resource_session=planted; ${pairs[0]}; a=b; ${pairs[1]}`)).toEqual([one, two]);
  });

  it('is for its host alone, and over https for no other to set', () => {
    expect(cookies.setSession(asked(), ticket())).toMatch(
      /^gatehouse_resource_session=\S+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=86400$/,
    );
    expect(cookies.setSession(asked({ scheme: 'https' }), ticket())).toMatch(
      /^__Host-gatehouse_resource_session=\S+; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=86400$/,
    );
  });
});

describe('the cookie of a browser that was right before', () => {
  it('has an id, at its host and resource', () => {
    const pair = pairOf(cookies.setKnownBrowser(asked()));
    const known = (host?: string, resourceId?: number) =>
      cookies.knownBrowser(asked({ rawHeaders: ['Cookie', pair], ...(host ? { host } : {}) }, resourceId));
    const id = known();
    expect(id).toMatch(/^[\w-]{22}$/);
    expect([known('other.example.com'), known(undefined, 8)]).toEqual([undefined, undefined]);
    expect(pairOf(cookies.setKnownBrowser(asked(), id))).toBe(pair);
  });
});

it('a browser keeps the state of its logins under way', () => {
  const { state, cookie } = cookies.loginState(asked());
  const again = asked({ rawHeaders: ['Cookie', pairOf(cookie)] });
  expect(cookies.loginState(again).state).toBe(state);
  expect(cookies.loginStates(again)).toEqual([state]);
  expect(cookies.loginStates(asked({ rawHeaders: ['Cookie', 'gatehouse_login_state=short'] }))).toEqual([]);
});
