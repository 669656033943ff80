import { afterAll, beforeAll } from 'vitest';
import { openTestApp, type TestApp } from './test-app.js';

export let app: TestApp;
export let resourceId: number;
export let siteId: number;
export interface Target extends Record<string, unknown> {
  targetId: number;
  siteId: number;
  internalPort: number | null;
  hcHealth: string;
}
let serial = 0;
export async function resource(orgId: string): Promise<number> {
  const { domains } = await app.root.expect<{ domains: { domainId: string }[] }>('GET', `/org/${orgId}/domains`);
  const body = { name: 'App', http: true, protocol: 'tcp', domainId: domains[0]!.domainId, subdomain: `t${++serial}` };
  return (await app.root.expect<{ resourceId: number }>('PUT', `/org/${orgId}/resource`, body)).resourceId;
}
export const site = async (orgId: string, type = 'newt') =>
  (await app.root.expect<{ siteId: number }>('PUT', `/org/${orgId}/site`, { name: `site ${++serial}`, type })).siteId;
export const BODY = { ip: '10.0.0.9', port: 80, method: 'http' };
export const create = async (more: object = {}, id = resourceId) =>
  app.root.expect<Target>('PUT', `/resource/${id}/target`, { ...BODY, siteId, ...more });
export const update = (id: number, more: object = {}) =>
  app.root.expect<Target>('POST', `/target/${id}`, { ip: BODY.ip, siteId, ...more });
export const health = async (id: number) =>
  (await app.root.expect<{ health: string }>('GET', `/resource/${id}`)).health;

/** A server with a public resource and a site. */
export function setUpTargets(): void {
  beforeAll(async () => {
    app = await openTestApp({ BASE_DOMAIN: 'gate.example.net', LOCAL_TARGETS: 'acme=10.0.0.9:*' });
    await app.makeOrg('acme');
    await app.makeOrg('other');
    resourceId = await resource('acme');
    siteId = await site('acme');
  });
  afterAll(() => app?.close());
}
