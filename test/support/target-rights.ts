import { afterAll, beforeAll } from 'vitest';
import { openTestApp, type TestApp } from './test-app.js';

export let app: TestApp;
export interface Site {
  siteId: number;
  niceId: string;
}
let serial = 0;
export const nextNumber = () => serial++;
export const org = async () => {
  const orgId = `rights${nextNumber()}`;
  await app.makeOrg(orgId);
  return orgId;
};
export const site = async (orgId: string, name = 'edge', labels?: object) => {
  const made = await app.root.expect<Site>('PUT', `/org/${orgId}/site`, { name, type: 'newt' });
  if (labels) await app.root.expect('POST', `/site/${made.siteId}`, { labels });
  return made;
};
export const target = (port = 80) => ({ method: 'http', hostname: '127.0.0.1', port });
export const behind = async (orgId: string, key = 'web') =>
  (
    await app.sql<{ s: number }>(
      'SELECT t.site_id AS s FROM target t JOIN resource r USING (resource_id) WHERE r.org_id = $1 AND r.nice_id = $2 ORDER BY t.target_id',
      [orgId, key],
    )
  ).map((row) => row.s);

/** A server of its own. */
export function setUpTargetRights(): void {
  beforeAll(async () => void (app = await openTestApp()));
  afterAll(() => app?.close());
}
