import { afterAll, beforeAll } from 'vitest';
import { type NewSite, SiteLifecycleService } from '../../src/sites/index.js';
import { openTestApp, type TestApp } from './test-app.js';

export let app: TestApp;
export let sites: SiteLifecycleService;
export interface Row extends Record<string, unknown> {
  siteId: number;
  niceId: string;
  name: string;
  address: string;
  newtId: string;
  secret: string;
}
export interface List {
  sites: Row[];
  pagination: { total: number; page: number; pageSize: number };
}
let serial = 0;
/** An organization of its own for a test that counts. */
export async function org(subnet?: string): Promise<string> {
  const orgId = `sites${serial++}`;
  await app.makeOrg(orgId, subnet);
  return orgId;
}
export const create = (orgId: string, body: object = {}) =>
  app.root.expect<Row>('PUT', `/org/${orgId}/site`, { name: 'edge', type: 'newt', ...body });
export const insert = (orgId: string, rows: Partial<NewSite>[]) =>
  app.db.tx((tx) =>
    sites.insertMany(
      tx,
      orgId,
      rows.map((r) => ({ name: null, status: 'approved', hardwareId: null, address: null, ...r })),
    ),
  );
export const list = (orgId: string, query = '') => app.root.expect<List>('GET', `/org/${orgId}/sites${query}`);
export const auditOf = (orgId: string, action: string) =>
  app.sql<{ targetId: string }>('SELECT target_id AS "targetId" FROM audit WHERE org_id = $1 AND action = $2', [
    orgId,
    action,
  ]);

/** A server with the organization acme. */
export function setUpSites(): void {
  beforeAll(async () => {
    app = await openTestApp();
    sites = app.get(SiteLifecycleService);
    await app.makeOrg('acme');
  });
  afterAll(() => app?.close());
}
