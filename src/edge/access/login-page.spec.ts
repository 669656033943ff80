import { describe, expect, it } from 'vitest';
import { Route, type RouteRow } from '../routing/route-table.js';
import type { EdgeRequest } from './edge-request.js';
import { loginPage, logoutPage } from './login-page.js';

const PROTECTION = { sso: true, password: true, pincode: true, headerAuth: false, whitelist: true, skipToIdpId: null };
const request = (protection = PROTECTION): EdgeRequest => ({
  route: new Route({
    settings: { resourceId: 1, protection } as RouteRow['settings'],
    rules: [],
    targets: [],
    fingerprint: '',
    orgClosed: false,
  }),
  scheme: 'http',
  host: 'app.example.com',
  method: 'GET',
  path: '/',
  query: '',
  rawHeaders: [],
  client: '192.0.2.1',
  requestId: 'r1',
  page: true,
});
const PAGE = { organization: 'Acme', to: '/', dashboard: 'http://gate.example.com', challenge: false };
const field = (fields: string[], name: string) => fields[fields.indexOf(name) + 1];
const actions = (html: string) => [...html.matchAll(/action="([^"]+)"/g)].map(([, action]) => action);

describe('the login page', () => {
  it('has a form for each way in that the resource has, and no script', () => {
    const { status, fields, body } = loginPage(request(), PAGE);
    const html = body.toString();
    expect(status).toBe(401);
    expect(actions(html)).toEqual(
      ['sso', 'login/password', 'login/pincode', 'login/email'].map((action) => `/.gatehouse/${action}`),
    );
    expect(html).not.toMatch(/<script|\son\w+=/i);
    expect(field(fields, 'Content-Security-Policy')).toMatch(
      /^default-src 'none'; .*form-action 'self' http:\/\/gate\.example\.com; frame-ancestors 'none'$/,
    );
    expect(field(fields, 'Cache-Control')).toBe('no-store');
    const none = { ...PROTECTION, sso: false, password: false, pincode: false, whitelist: false };
    expect(actions(loginPage(request({ ...none, pincode: true }), PAGE).body.toString())).toEqual([
      '/.gatehouse/login/pincode',
    ]);
  });

  it('shows what others wrote as text', () => {
    const hostile = `"><script>alert('1')</script>&`;
    const pages = [
      loginPage({ ...request(), host: hostile, requestId: hostile }, { ...PAGE, organization: hostile, to: hostile }),
      loginPage(request(), { ...PAGE, mailedTo: hostile, to: hostile, problem: 'wrong' }),
      logoutPage({ ...request(), host: hostile }, hostile),
    ];
    for (const { body } of pages) {
      expect(body.toString()).not.toContain('<script');
      expect(body.toString()).toContain('&lt;script&gt;');
    }
  });

  it.each([
    ['wrong', 401, undefined],
    ['too_many', 429, '3600'],
    ['busy', 503, '5'],
  ] as const)('says that it was %s: %d', (problem, status, retryAfter) => {
    const answer = loginPage(request(), { ...PAGE, problem });
    expect(answer.status).toBe(status);
    expect(answer.body.toString()).toMatch(/role="alert"/);
    if (retryAfter) expect(field(answer.fields, 'Retry-After')).toBe(retryAfter);
  });

  it('asks for a code where one was mailed', () => {
    const html = loginPage(request(), { ...PAGE, mailedTo: 'kim@example.com' }).body.toString();
    expect(actions(html)).toEqual(['/.gatehouse/login/code']);
    expect(html).toContain('kim@example.com');
  });
});
