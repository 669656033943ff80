import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let siteId: number;
let domainId: string;
let resourceId: number;
beforeAll(async () => {
  app = await openTestApp({ BASE_DOMAIN: 'gate.example.net' });
  await app.makeOrg('acme');
  const put = <T>(path: string, body: object) => app.root.expect<T>('PUT', `/org/acme/${path}`, body);
  ({ siteId } = await put<{ siteId: number }>('site', { name: 'S', type: 'newt' }));
  const { domains } = await app.root.expect<{ domains: { domainId: string }[] }>('GET', '/org/acme/domains');
  domainId = domains[0]!.domainId;
  ({ resourceId } = await put<{ resourceId: number }>('resource', {
    name: 'R',
    http: true,
    protocol: 'tcp',
    domainId,
    subdomain: 'r',
  }));
});
afterAll(() => app?.close());

type Made = Record<string, string | number>;
const CREATIONS: [name: string, path: () => string, body: () => object, read: (made: Made) => string][] = [
  ['organization', () => '/org', () => ({ orgId: 'other', name: 'Other' }), ({ orgId }) => `/org/${orgId}`],
  ['site', () => '/org/acme/site', () => ({ name: 'T', type: 'newt' }), (made) => `/site/${made['siteId']}`],
  ['role', () => '/org/acme/role', () => ({ name: 'crew', description: 'x' }), ({ roleId }) => `/role/${roleId}`],
  [
    'client',
    () => '/org/acme/client',
    () => ({ name: 'C', olmId: 'o'.repeat(15), secret: 's'.repeat(48), subnet: '100.90.128.99', type: 'olm' }),
    ({ clientId }) => `/client/${clientId}`,
  ],
  [
    'domain',
    () => '/org/acme/domain',
    () => ({ type: 'wildcard', baseDomain: 'a.example.com' }),
    (made) => `/org/acme/domain/${made['domainId']}`,
  ],
  [
    'HTTP resource',
    () => '/org/acme/resource',
    () => ({ name: 'R', http: true, protocol: 'tcp', domainId, subdomain: 'made' }),
    (made) => `/resource/${made['resourceId']}`,
  ],
  [
    'raw resource',
    () => '/org/acme/resource',
    () => ({ name: 'R', http: false, protocol: 'tcp', proxyPort: 7000 }),
    (made) => `/resource/${made['resourceId']}`,
  ],
  [
    'target',
    () => `/resource/${resourceId}/target`,
    () => ({ siteId, ip: 'a', port: 1, hcEnabled: true }),
    ({ targetId }) => `/target/${targetId}`,
  ],
  [
    'rule',
    () => `/resource/${resourceId}/rule`,
    () => ({ action: 'DROP', match: 'PATH', value: '/a', priority: 1 }),
    ({ ruleId }) => `/resource/${resourceId}/rule/${ruleId}`,
  ],
  [
    'private resource',
    () => '/org/acme/site-resource',
    () => ({ name: 'P', mode: 'host', destination: '10.1.2.3', siteId, roleIds: [], userIds: [], clientIds: [] }),
    ({ siteResourceId }) => `/site-resource/${siteResourceId}`,
  ],
];

it.each(CREATIONS)(
  'the answer that makes a new %s says its version, and says it again',
  async (name, path, body, read) => {
    const once = app.root.as(app.root.authorization, { 'idempotency-key': name.replace(' ', '-') });
    const made = await once.put<Made>(path(), body());
    expect(made.status).toBe(201);
    const seen = await app.root.get(read(made.body.data));
    expect(made.headers.get('etag')).toMatch(/^"\d+"$/);
    expect(made.headers.get('etag')).toBe(seen.headers.get('etag'));
    const again = await once.put<Made>(path(), body());
    expect([again.status, again.text, again.headers.get('etag')]).toEqual([201, made.text, made.headers.get('etag')]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  },
);
