import { afterAll, beforeAll, expect } from 'vitest';
import { openTestApp, type TestApp } from './test-app.js';

export let app: TestApp;
export interface Resource extends Record<string, unknown> {
  siteResourceId: number;
  siteId: number | null;
  siteIds: number[];
  niceId: string;
  name: string;
  alias: string | null;
  aliasAddress: string | null;
}
interface List {
  siteResources: (Resource & {
    siteNames: string[];
    siteNiceIds: string[];
    siteAddresses: string[];
    siteOnlines: boolean[];
  })[];
  pagination: { total: number; page: number; pageSize: number };
}
let serial = 0;
export const fresh = (what: string) => `${what}${++serial}`;
export async function org(utilitySubnet?: string): Promise<string> {
  const orgId = fresh('org');
  await app.root.expect('PUT', '/org', {
    orgId,
    name: orgId,
    subnet: '100.90.128.0/17',
    utilitySubnet: utilitySubnet ?? '100.96.128.0/20',
  });
  return orgId;
}
export const site = async (orgId: string, type = 'newt', name = fresh('site')) =>
  (await app.root.expect<{ siteId: number }>('PUT', `/org/${orgId}/site`, { name, type })).siteId;
export const put = (orgId: string, body: object) => app.root.put<Resource>(`/org/${orgId}/site-resource`, body);
export const create = async (orgId: string, more: object = {}) =>
  app.root.expect<Resource>('PUT', `/org/${orgId}/site-resource`, {
    name: 'Database',
    mode: 'host',
    destination: '10.1.2.3',
    siteId: await siteOf(orgId),
    ...more,
  });
/** Without the drift, which a change does not answer. */
export async function read(id: number): Promise<Resource> {
  const { drift, ...resource } = await app.root.expect<Resource & { drift: unknown }>('GET', `/site-resource/${id}`);
  expect(drift).toEqual([]);
  return resource;
}
export const update = (id: number, body: object) => app.root.post<Resource>(`/site-resource/${id}`, body);
export const list = (orgId: string, query = '') => app.root.expect<List>('GET', `/org/${orgId}/site-resources${query}`);
export const names = (l: List) => l.siteResources.map((r) => r.name);
export const desired = async (siteId: number) =>
  (await app.root.expect<{ desiredVersion: number }>('GET', `/site/${siteId}`)).desiredVersion;
export const domain = async (orgId: string) =>
  (
    await app.root.expect<{ domains: { domainId: string; configManaged: boolean }[] }>('GET', `/org/${orgId}/domains`)
  ).domains.find((d) => d.configManaged)!.domainId;
export const role = async (orgId: string) =>
  (await app.root.expect<{ roleId: number }>('PUT', `/org/${orgId}/role`, { name: fresh('role') })).roleId;
export async function user(orgId: string): Promise<string> {
  const id = fresh('user');
  await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $1)', [id, `${id}@example.com`]);
  await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [orgId, id]);
  return id;
}
export async function client(orgId: string): Promise<number> {
  const { olmId, olmSecret, subnet } = await app.root.expect<Record<string, string>>(
    'GET',
    `/org/${orgId}/pick-client-defaults`,
  );
  return (
    await app.root.expect<{ clientId: number }>('PUT', `/org/${orgId}/client`, {
      name: fresh('client'),
      olmId,
      secret: olmSecret,
      subnet,
      type: 'olm',
    })
  ).clientId;
}
export const auditOf = (action: string, id: number) =>
  app.sql<{ orgId: string }>(
    `SELECT org_id AS "orgId" FROM audit WHERE action = $1 AND target_type = 'site_resource' AND target_id = $2`,
    [action, String(id)],
  );
export const sites = new Map<string, Promise<number>>();
/** One site for all the tests of an organization that need any. */
export function siteOf(orgId: string): Promise<number> {
  if (!sites.has(orgId)) sites.set(orgId, site(orgId));
  return sites.get(orgId)!;
}
export const ROW = [
  'siteResourceId',
  'orgId',
  'networkId',
  'defaultNetworkId',
  'niceId',
  'name',
  'ssl',
  'mode',
  'scheme',
  'proxyPort',
  'destinationPort',
  'destination',
  'enabled',
  'alias',
  'aliasAddress',
  'tcpPortRangeString',
  'udpPortRangeString',
  'disableIcmp',
  'authDaemonPort',
  'authDaemonMode',
  'domainId',
  'subdomain',
  'fullDomain',
];

/** A server with organizations that test resources. */
export function setUpPrivateResources(): void {
  beforeAll(async () => {
    app = await openTestApp({ BASE_DOMAIN: 'gate.example.net' });
    await app.makeOrg('acme');
    await app.makeOrg('other');
  });
  afterAll(() => app?.close());
}
