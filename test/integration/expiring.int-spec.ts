// docs/integration-api.md §3.1
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExpiringKind, ExpiringList } from '../../src/provisioning/expiring/expiring.dto.js';
import { newHardwareId, provision, type TestKey, TestOrg } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let foreign: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  foreign = await TestOrg.create(app.root, { subnet: '100.91.0.0/17' });
  for (const of of [org, foreign]) await fill(of);
});
afterAll(() => app?.close());

const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString();
const expiring = (query = '', api = app.root) => api.expect<ExpiringList>('GET', org.path(`expiring${query}`));
const totals = ({ counts }: ExpiringList) => Object.fromEntries(counts.map(({ kind, total }) => [kind, total]));
const kinds = ({ items }: ExpiringList) => items.map((item) => item.kind);

let key: TestKey;
/** Of each kind something that ends soon; and what ends late, never, or has ended. */
async function fill(of: TestOrg): Promise<void> {
  key = await of.keyUnder({ credentialTtlSeconds: 3 * 86_400 }, { validUntil: inDays(2) });
  await of.key({ validUntil: inDays(90) });
  await of.key();
  const revoked = await of.key({ validUntil: inDays(1) });
  await app.root.expect('POST', of.path(`site-provisioning-key/${revoked.siteProvisioningKeyId}/revoke`));
  const past = await of.key({ validUntil: inDays(1) });
  await app.sql(`UPDATE provisioning_key SET expires_at = now() - interval '1 s' WHERE key_id = $1`, [
    past.siteProvisioningKeyId,
  ]);
  for (const expiresAt of [inDays(1), null])
    await app.root.expect('PUT', of.path('api-key'), { name: 'Import', expiresAt });
  for (let i = 0; i < 3; i++)
    await provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() });
  await app.root.expect('POST', of.path('create-invite'), {
    email: 'new@example.com',
    validHours: 5 * 24,
    roleId: (
      await app.sql<{ id: number }>(`SELECT role_id AS id FROM role WHERE org_id = $1 AND name = 'Member'`, [of.orgId])
    )[0]!.id,
  });
}

describe('what ends before long', () => {
  it('is listed by its end, of all kinds, with their numbers', async () => {
    const list = await expiring('?within=30d');
    expect(kinds(list)).toEqual([
      'api_key',
      'site_provisioning_key',
      ...Array<ExpiringKind>(3).fill('site_credential'),
      'invitation',
    ]);
    expect(totals(list)).toEqual({
      site_provisioning_key: 1,
      api_key: 1,
      site_credential: 3,
      certificate_authority: 0,
      invitation: 1,
      access_token: 0,
    });
    expect(list.pagination).toEqual({ total: 6, limit: 1000, offset: 0 });
    expect(list.items[0]).toMatchObject({ name: 'Import', siteId: null });
    expect(list.items[2]).toMatchObject({ siteId: expect.any(Number), name: expect.any(String) });
    expect(list.items.at(-1)).toMatchObject({ name: 'new@example.com' });
    expect(new Date(list.until).getTime() - Date.now()).toBeGreaterThan(29 * DAY_MS);
  });

  it('depends on how far one looks, in seconds or in larger units', async () => {
    expect(kinds(await expiring(`?within=${1.5 * 86_400}`))).toEqual(['api_key']);
    expect(kinds(await expiring('?within=60h'))).toEqual(['api_key', 'site_provisioning_key']);
    expect(totals(await expiring('?within=100d'))).toMatchObject({ site_provisioning_key: 2 });
    expect(totals(await expiring())).toMatchObject({ site_provisioning_key: 1 });
    for (const within of ['soon', '-1', '4000d', '1y', ''])
      expect((await app.root.get(org.path(`expiring?within=${within}`))).status, within).toBe(400);
  });

  it('has pages of one kind', async () => {
    const first = await expiring('?kind=site_credential&limit=2');
    const second = await expiring('?kind=site_credential&limit=2&offset=2');
    expect([first.items.length, second.items.length]).toEqual([2, 1]);
    expect(new Set([...first.items, ...second.items].map((item) => item.id)).size).toBe(3);
    expect(totals(second)).toEqual({ site_credential: 3 });
    const all = await expiring('?limit=1');
    expect(kinds(all)).toEqual(['api_key', 'site_provisioning_key', 'site_credential', 'invitation']);
    expect((await app.root.get(org.path('expiring?offset=1'))).body).toMatchObject({
      status: 400,
      fields: [{ path: 'offset' }],
    });
  });

  it('counts no credential that is not used any more', async () => {
    await app.sql(
      `UPDATE site_credential SET revoked_at = now() WHERE credential_id = (SELECT min(credential_id) FROM site_credential WHERE org_id = $1)`,
      [org.orgId],
    );
    expect(totals(await expiring('?kind=site_credential'))).toEqual({ site_credential: 2 });
  });

  it('knows of authorities the end that comes first: of their trust, or of themselves', async () => {
    await app.root.expect('GET', org.path('certificate-authorities'));
    await app.root.expect('POST', org.path('certificate-authority/rotate'), { overlapSeconds: 4 * 86_400 });
    const { items } = await expiring('?kind=certificate_authority');
    expect(items).toHaveLength(1);
    const days = (new Date(items[0]!.endsAt).getTime() - Date.now()) / DAY_MS;
    expect(Math.round(days)).toBe(4);
  });

  it('is told as far as somebody may read it', async () => {
    const only = await app.orgKey(org.orgId, 'listSites', 'getOrg', 'listInvitations', 'listApiKeys');
    // Keys read no API keys, whatever they hold.
    expect(totals(await expiring('', only))).toEqual({ certificate_authority: 1, invitation: 1 });
    expect((await expiring('?kind=site_credential', only)).counts).toEqual([]);
    expect((await (await app.orgKey(org.orgId, 'listInvitations')).get(org.path('expiring'))).status).toBe(403);
  });
});
