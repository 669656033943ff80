import { afterAll, beforeAll } from 'vitest';
import { openTestApp, type TestApp } from './test-app.js';

export let app: TestApp;
export interface Resource extends Record<string, unknown> {
  resourceId: number;
  niceId: string;
  name: string;
  fullDomain: string | null;
  subdomain: string | null;
  domainId: string | null;
}
export interface List {
  resources: (Resource & { targets: Record<string, unknown>[]; sites: Record<string, unknown>[] })[];
  pagination: { total: number; page: number; pageSize: number };
}
let serial = 0;
export const fresh = (what = 'r') => `${what}${++serial}`;
export const baseDomain = async (orgId: string) =>
  (
    await app.root.expect<{ domains: { domainId: string; configManaged: boolean }[] }>('GET', `/org/${orgId}/domains`)
  ).domains.find((d) => d.configManaged)!.domainId;
export const domain = async (orgId: string, type = 'wildcard') =>
  app.root.expect<{ domainId: string }>('PUT', `/org/${orgId}/domain`, {
    type,
    baseDomain: `${fresh('d')}.example.com`,
  });
export const http = async (orgId: string, more: object = {}) => ({
  name: 'App',
  http: true,
  protocol: 'tcp',
  domainId: await baseDomain(orgId),
  subdomain: fresh(),
  ...more,
});
export const create = async (orgId = 'acme', more: object = {}) =>
  app.root.expect<Resource>('PUT', `/org/${orgId}/resource`, await http(orgId, more));
export const raw = (more: object = {}) => ({
  name: 'Raw',
  http: false,
  protocol: 'udp',
  proxyPort: 20_000 + ++serial,
  ...more,
});
export const site = async (orgId: string, type = 'newt', name = fresh('site')) =>
  (await app.root.expect<{ siteId: number }>('PUT', `/org/${orgId}/site`, { name, type })).siteId;
export const target = (resourceId: number, siteId: number, more: object = {}) =>
  app.root.expect<{ targetId: number }>('PUT', `/resource/${resourceId}/target`, {
    siteId,
    ip: '10.0.0.9',
    port: 80,
    method: 'http',
    ...more,
  });
export const read = (id: number) => app.root.expect<Resource>('GET', `/resource/${id}`);
export const auditOf = (action: string, id: number) =>
  app.sql<{ orgId: string }>(
    `SELECT org_id AS "orgId" FROM audit WHERE action = $1 AND target_type = 'resource' AND target_id = $2`,
    [action, String(id)],
  );

/** A server with organizations that test resources. */
export function setUpPublicResources(): void {
  beforeAll(async () => {
    app = await openTestApp({ BASE_DOMAIN: 'gate.example.net' });
    await app.makeOrg('acme');
    await app.makeOrg('other');
  });
  afterAll(() => app?.close());
}
