import { Logger } from '@nestjs/common';
import { describe, expect, it, vi } from 'vitest';
import { AppError, type Principal, type RouteScope, TenantResolvers } from '#platform';
import { AccessGuard } from './access.guard.js';
import type { Presented } from './request-credential.js';

Logger.overrideLogger(false);

const principal = (authority: Principal['authority'], kind: Principal['kind'] = 'api_key'): Principal => ({
  authority,
  kind,
  id: 'x',
  name: 'x',
  address: '127.0.0.1',
});
const orgKey = (orgId: string, ...actions: string[]) => principal({ kind: 'orgKey', orgId, actions: new Set(actions) });
const rootKey = principal({ kind: 'rootKey' }, 'root_key');
const session = principal(
  { kind: 'user', serverAdmin: false, memberships: new Map([['a', new Set(['updateOrg'])]]) },
  'user',
);
const site = principal({ kind: 'site', orgId: 'a' }, 'site');
const provisioningKey = principal({ kind: 'provisioningKey' }, 'anonymous');

interface Ask {
  scope?: RouteScope;
  as?: Principal;
  presented?: Presented;
  params?: Record<string, string>;
  method?: string;
  headers?: Record<string, string>;
  url?: string;
  away?: boolean;
  closed?: boolean;
}

const resolvers = new TenantResolvers();
const SITES: Record<string, string> = { '1': 'a', '2': 'b' };
resolvers.register('orgId', async (orgId) => (['a', 'b'].includes(orgId) ? { orgId } : null));
resolvers.register('siteId', async (id, _principal, orgId) => {
  if (id === 'quiet-otter') return { orgId: 'a', id: 1 };
  const found = SITES[id];
  return found && (orgId ?? found) === found ? { orgId: found } : null;
});
// One that does not look at the organization before it: the guard must.
resolvers.register('groupId', async (id) => ({ orgId: id === '7' ? 'b' : 'a' }));
resolvers.register('userId', async () => ({ orgId: null }));

async function ask({
  scope,
  as = rootKey,
  presented = { kind: 'apiKey', id: 'x', secret: 'y' },
  params = {},
  method = 'GET',
  headers = {},
  url = '/api/v1/x',
  away = false,
  closed = false,
}: Ask) {
  const request = { params, method, headers, url, routeOptions: { url }, ip: '127.0.0.1' } as Record<string, unknown>;
  const authenticate = vi.fn(async () => as);
  const guard = new AccessGuard(
    { get: () => scope } as never,
    { isAway: away } as never,
    { presented: () => presented, authenticate } as never,
    resolvers,
    { isClosed: async () => closed } as never,
  );
  const context = {
    getType: () => 'http',
    getHandler: () => undefined,
    switchToHttp: () => ({ getRequest: () => request }),
  };
  const outcome = await guard.canActivate(context as never).then(
    () => 'admitted',
    (error: unknown) => {
      if (error instanceof AppError)
        return `${error.status} ${error.code}${error.code === 'not_found' ? `: ${error.message}` : ''}`;
      throw error;
    },
  );
  return { outcome, request, authenticate };
}

const org = (action: 'getOrg' | 'updateOrg' = 'getOrg'): RouteScope => ({ kind: 'org', action, orgKeys: true });

describe('the guard', () => {
  it.each([rootKey, session, orgKey('a', 'getOrg'), site, provisioningKey])(
    'refuses everyone on a route that declares nothing',
    async (as) => {
      expect((await ask({ as })).outcome).toBe('403 permission_denied');
    },
  );

  it('refuses everyone on a path parameter without a resolver', async () => {
    expect((await ask({ scope: org(), params: { unknownId: '1' } })).outcome).toBe('403 permission_denied');
  });

  it('refuses everyone on a route of an organization whose path names none', async () => {
    expect((await ask({ scope: org() })).outcome).toBe('403 permission_denied');
    expect((await ask({ scope: org(), params: { userId: 'u' } })).outcome).toBe('403 permission_denied');
  });

  it.each<[string, Ask, string]>([
    ['a key of the organization with the action', { as: orgKey('a', 'getOrg'), params: { orgId: 'a' } }, 'admitted'],
    [
      'a key of the organization without the action',
      { as: orgKey('a', 'updateOrg'), params: { orgId: 'a' } },
      '403 permission_denied',
    ],
    ['a key of another organization', { as: orgKey('b', 'getOrg'), params: { orgId: 'a' } }, '404 not_found'],
    ['a root key', { as: rootKey, params: { orgId: 'a' } }, 'admitted'],
    ['a root key, no such organization', { as: rootKey, params: { orgId: 'nope' } }, '404 not_found'],
    ['a site', { as: site, params: { orgId: 'a' } }, '403 permission_denied'],
    ['a provisioning key', { as: provisioningKey, params: { orgId: 'a' } }, '403 permission_denied'],
    ['a missing site before a missing action', { as: orgKey('a'), params: { siteId: '9' } }, '404 not_found'],
    ["another organization's site", { as: orgKey('a', 'getOrg'), params: { siteId: '2' } }, '404 not_found'],
    ['its own site', { as: orgKey('a', 'getOrg'), params: { siteId: '1' } }, 'admitted'],
    [
      'own organization, foreign site',
      { as: orgKey('a', 'getOrg'), params: { orgId: 'a', siteId: '2' } },
      '404 not_found',
    ],
    [
      'own organization, foreign group, resolver unaware',
      { as: orgKey('a', 'getOrg'), params: { orgId: 'a', groupId: '7' } },
      '404 not_found',
    ],
    ['root key, parameters that disagree', { as: rootKey, params: { orgId: 'a', groupId: '7' } }, '404 not_found'],
    [
      'foreign organization, own site',
      { as: orgKey('a', 'getOrg'), params: { orgId: 'b', siteId: '1' } },
      '404 not_found',
    ],
    ['NUL in a parameter', { as: rootKey, params: { orgId: 'a\0' } }, '404 not_found'],
  ])('%s', async (_, request, expected) => {
    expect((await ask({ scope: org(), ...request })).outcome.replace(/:.*/, '')).toBe(expected);
  });

  it('hands on the organization and the number behind a readable id', async () => {
    const { request } = await ask({ scope: org(), as: orgKey('a', 'getOrg'), params: { siteId: 'quiet-otter' } });
    expect(request).toMatchObject({ orgId: 'a', params: { siteId: '1' }, principal: { kind: 'api_key' } });
  });

  it('does not tell a hidden organization from a missing one, whatever follows in the path', async () => {
    const asked = (params: Record<string, string>) =>
      ask({ scope: org(), as: orgKey('a', 'getOrg'), params }).then(({ outcome }) => outcome);
    expect(await asked({ orgId: 'b', siteId: '2' })).toBe('404 not_found: Organization not found');
    expect(await asked({ orgId: 'b', siteId: '9' })).toBe('404 not_found: Organization not found');
    expect(await asked({ orgId: 'nope', siteId: '9' })).toBe('404 not_found: Organization not found');
    expect(await asked({ siteId: '2' })).toBe(await asked({ siteId: '9' }));
  });

  it('refuses organization keys where only root keys and people may act', async () => {
    const scope: RouteScope = { kind: 'org', action: 'createApiKey', orgKeys: false };
    const user = principal(
      { kind: 'user', serverAdmin: false, memberships: new Map([['a', new Set(['createApiKey'])]]) },
      'user',
    );
    expect((await ask({ scope, as: orgKey('a', 'createApiKey'), params: { orgId: 'a' } })).outcome).toBe(
      '403 permission_denied',
    );
    expect((await ask({ scope, as: user, params: { orgId: 'a' } })).outcome).toBe('admitted');
    expect((await ask({ scope, as: rootKey, params: { orgId: 'a' } })).outcome).toBe('admitted');
  });

  it('keeps root routes, user routes and site routes apart', async () => {
    const outcomes = async (scope: RouteScope) => {
      const results = [];
      for (const as of [rootKey, session, orgKey('a', 'listOrgs'), site, provisioningKey])
        results.push((await ask({ scope, as })).outcome.slice(0, 8));
      return results;
    };
    expect(await outcomes({ kind: 'root', action: 'listOrgs' })).toEqual([
      'admitted',
      '403 perm',
      '403 perm',
      '403 perm',
      '403 perm',
    ]);
    expect(await outcomes({ kind: 'user', csrf: false })).toEqual([
      '403 perm',
      'admitted',
      '403 perm',
      '403 perm',
      '403 perm',
    ]);
    expect(await outcomes({ kind: 'site', direct: false })).toEqual([
      '403 perm',
      '403 perm',
      '403 perm',
      'admitted',
      '403 perm',
    ]);
    const byToken = { as: site, presented: { kind: 'sessionToken', token: 't' } } as const;
    expect((await ask({ scope: { kind: 'site', direct: false }, ...byToken })).outcome).toBe('admitted');
    expect((await ask({ scope: { kind: 'site', direct: true }, ...byToken })).outcome).toBe('403 permission_denied');
  });

  it('tells an organization key on a root route nothing about organizations', async () => {
    const scope: RouteScope = { kind: 'root', action: 'deleteOrg' };
    expect((await ask({ scope, as: orgKey('a', 'deleteOrg'), params: { orgId: 'nope' } })).outcome).toBe(
      '403 permission_denied',
    );
    expect((await ask({ scope, as: rootKey, params: { orgId: 'nope' } })).outcome).toBe(
      '404 not_found: Organization not found',
    );
  });

  describe('CSRF (docs/claims.md rule 14)', () => {
    const cookie: Presented = { kind: 'session', token: 't' };
    const header = { 'x-csrf-token': 'x-csrf-protection' };
    const change = { scope: org('updateOrg'), as: session, presented: cookie, params: { orgId: 'a' } };

    it('is asked of the cookie when something changes', async () => {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        expect((await ask({ ...change, method })).outcome).toBe('403 csrf');
        expect((await ask({ ...change, method, headers: { 'x-csrf-token': 'yes' } })).outcome).toBe('403 csrf');
        expect((await ask({ ...change, method, headers: header })).outcome).toBe('admitted');
      }
      expect((await ask({ ...change, method: 'GET' })).outcome).toBe('admitted');
    });

    it('is never asked of keys, nor of claims', async () => {
      expect(
        (await ask({ scope: org('updateOrg'), as: rootKey, method: 'POST', params: { orgId: 'a' } })).outcome,
      ).toBe('admitted');
      expect(
        (
          await ask({
            scope: { kind: 'site', direct: true },
            as: site,
            presented: { kind: 'deviceKey', key: 'k' },
            method: 'POST',
          })
        ).outcome,
      ).toBe('admitted');
      expect(
        (await ask({ scope: { kind: 'public', why: 'x', csrf: false }, presented: cookie, method: 'POST' })).outcome,
      ).toBe('admitted');
    });

    it('is asked by login and logout before anything is looked at', async () => {
      const login = await ask({
        scope: { kind: 'public', why: 'x', csrf: true },
        presented: { kind: 'none' },
        method: 'POST',
      });
      const logout = await ask({ scope: { kind: 'user', csrf: true }, presented: { kind: 'none' }, method: 'POST' });
      expect([login.outcome, logout.outcome]).toEqual(['403 csrf', '403 csrf']);
      expect(logout.authenticate).not.toHaveBeenCalled();
    });
  });

  it('answers 503 at once while the database is away, the health page excepted', async () => {
    const scope: RouteScope = { kind: 'public', why: 'x', csrf: false };
    expect((await ask({ scope, away: true })).outcome).toBe('503 database_unavailable');
    expect((await ask({ scope, away: true, url: '/healthz' })).outcome).toBe('admitted');
  });

  it('gives public routes an anonymous principal, whatever was presented', async () => {
    const { request, authenticate } = await ask({ scope: { kind: 'public', why: 'x', csrf: false } });
    expect(request.principal).toMatchObject({ kind: 'anonymous', address: '127.0.0.1' });
    expect(authenticate).not.toHaveBeenCalled();
  });
});

describe('while the organization is closed', () => {
  const scope: RouteScope = { kind: 'org', action: 'getOrg', orgKeys: true };
  const params = { orgId: 'a' };
  const reader = principal(
    { kind: 'user', serverAdmin: false, memberships: new Map([['a', new Set(['getOrg'])]]) },
    'user',
  );
  it.each<[string, Ask, string]>([
    ['a key may nothing', { as: orgKey('a', 'getOrg') }, '403 org_closed'],
    [
      'a key may not even what may be done then',
      { as: orgKey('a', 'getOrg'), scope: { ...scope, whileClosed: true } },
      '403 org_closed',
    ],
    ['people may look', { as: reader }, 'admitted'],
    ['people may change nothing', { as: reader, method: 'POST' }, '403 org_closed'],
    [
      'people may do what may be done then',
      { as: reader, method: 'POST', scope: { ...scope, whileClosed: true } },
      'admitted',
    ],
    ['a root key may look', { as: rootKey }, 'admitted'],
    ['a root key may change nothing', { as: rootKey, method: 'DELETE' }, '403 org_closed'],
    ['who may not is told no more than ever', { as: orgKey('a'), method: 'POST' }, '403 permission_denied'],
    ['it is hidden from others', { as: orgKey('b', 'getOrg') }, '404 not_found: Organization'],
  ])('%s', async (_, over, expected) => {
    const { outcome } = await ask({ scope, params, closed: true, ...over });
    expect(outcome).toContain(expected);
  });
});
