import { afterAll, beforeAll, beforeEach } from 'vitest';
import { Hooks, PgNotifications, sha256 } from '#platform';
import { SiteCredentialsService } from '../../src/access/index.js';
import { AddressPoolService } from '../../src/orgs/index.js';
import { type NewSite, SiteLifecycleService } from '../../src/sites/index.js';
import { openTestApp, type TestApp } from './test-app.js';

export let app: TestApp;
export let orgId: string;
export const heard: string[] = [];
export const hooked: string[] = [];
let serial = 0;
export interface Site {
  siteId: number;
  key: string;
  newtId: string;
}
/** Makes an organization, where everything here happens from now on. @returns the one before. */
export async function changeOrg(): Promise<string> {
  const before = orgId;
  orgId = `appr${serial++}`;
  await app.makeOrg(orgId);
  return before;
}
export function returnTo(org: string): void {
  orgId = org;
}
/** A claimed site with a newt credential and an address, as provisioning would leave it. */
export async function site(fields: Partial<NewSite> = {}): Promise<Site> {
  const newtId = `newt${serial++}abcdefgh`;
  return app.db.tx(async (tx) => {
    const [address] = await app.get(AddressPoolService).allocate(tx, orgId, 1);
    const [made] = await app
      .get(SiteLifecycleService)
      .insertMany(tx, orgId, [
        { name: 'sensor', status: 'pending', hardwareId: `hw/${newtId}`, address: address!, ...fields },
      ]);
    await app
      .get(SiteCredentialsService)
      .insertMany(tx, [{ siteId: made!.siteId, orgId, kind: 'newt', newtId, secretHash: sha256('secret') }]);
    return { siteId: made!.siteId, key: `hw/${newtId}`, newtId };
  });
}
export const authenticates = async (s: Site) =>
  (await app.get(SiteCredentialsService).authenticateNewt(s.newtId, 'secret')) !== null;
export const events = async () =>
  (
    await app.sql<{ type: string; siteId: number }>(
      'SELECT type, site_id AS "siteId" FROM event WHERE org_id = $1 ORDER BY event_id',
      [orgId],
    )
  ).map((e) => `${e.type} ${e.siteId}`);
export const audit = async () =>
  (
    await app.sql<{ action: string; id: string }>(
      `SELECT action, target_id AS id FROM audit WHERE org_id = $1 AND action LIKE ANY('{site.%,tombstone.%}') ORDER BY audit_id`,
      [orgId],
    )
  ).map((a) => `${a.action} ${a.id}`);
export const tombstones = async () =>
  (
    await app.root.expect<{ tombstones: { hardwareId: string; reason: string }[] }>('GET', `/org/${orgId}/tombstones`)
  ).tombstones.map((t) => `${t.reason} ${t.hardwareId}`);
export const post = (s: Site, body: object) => app.root.post<Record<string, unknown>>(`/site/${s.siteId}`, body);
export const decide = (body: object) =>
  app.root.expect<{ results: { siteId: number; outcome: string; message: string | null }[]; remaining: number }>(
    'POST',
    `/org/${orgId}/approvals`,
    body,
  );

/** A server whose hooks and notices are written down, and a fresh organization for each test. */
export function setUpApprovals(): void {
  beforeAll(async () => {
    app = await openTestApp();
    app.get(PgNotifications).on('site_changed', (id) => heard.push(id));
    const hooks = app.get(Hooks);
    hooks.siteApproved.register(async (_tx, _org, id) => void hooked.push(`approved ${id}`));
    hooks.siteSuspended.register(async (_tx, _org, id) => void hooked.push(`suspended ${id}`));
    hooks.siteDeleting.register(async (tx, org, id) => {
      // The row is still there for whoever has something to take down with it.
      hooked.push(`deleting ${id}`);
      await tx.query('SELECT 1 / count(*) FROM site WHERE org_id = $1 AND site_id = $2', [org, id]);
    });
  });
  afterAll(() => app?.close());
  beforeEach(async () => {
    await changeOrg();
    hooked.length = 0;
  });
}
