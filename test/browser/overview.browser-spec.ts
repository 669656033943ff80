import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newNonce, provision, type TestKey } from '../support/api.js';
import { Dashboard, expectAccessible, takePicture } from '../support/browser/dashboard.js';
import { FixtureOrg, PASSWORD } from '../support/fixture-org.js';
import { TEST_ADMIN, until } from '../support/server.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

const overview = (): string => `/org/${fixture.orgId}`;
const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();

/** Where a link of the overview leads, as path and query. */
async function followed(page: Page, text: RegExp): Promise<string> {
  await page.getByRole('link', { name: text }).click();
  await page.waitForURL((url) => url.pathname !== overview());
  const { pathname, search } = new URL(page.url());
  await page.goBack();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  return decodeURIComponent(pathname.slice(overview().length) + search);
}

/** Something of every kind that needs attention. */
async function trouble(): Promise<void> {
  const { approved, resourceId, root, orgId } = fixture;
  const [twice, broken] = [await fixture.site('approved'), await fixture.site('approved')];
  await fixture.sql(
    `UPDATE site_presence SET connected_at = now() - interval '3 hours', last_seen_at = now() - interval '2 hours' WHERE site_id = $1`,
    [approved.siteId],
  );
  await fixture.sql(`UPDATE site SET oddities = '{contested}' WHERE site_id = $1`, [twice.siteId]);
  await fixture.sql(
    `INSERT INTO site_bundle (site_id, org_id, version, inputs, state, reason) VALUES ($1, $2, 1, '{}', 'failed', 'it did not start')
     ON CONFLICT (site_id) DO UPDATE SET version = 1, inputs = '{}', state = 'failed', reason = excluded.reason`,
    [broken.siteId, orgId],
  );
  await fixture.sql(`UPDATE resource SET health = 'unhealthy' WHERE resource_id = $1`, [resourceId]);
  await fixture.provisioningKey({ validUntil: inDays(3) });
  const disabled: TestKey = await fixture.provisioningKey({ status: 'disabled' });
  const claim = await provision(root.url, {
    provision_key: disabled.siteProvisioningKey,
    hardware_id: fixture.name('refused'),
    claim_nonce: newNonce(),
  });
  expect(claim.status).not.toBe(201);
  await until(async () => {
    const { points } = await root.expect<{ points: { value: number }[] }>(
      'GET',
      fixture.path('stats?metric=refusals&bucket=hour'),
    );
    return points.some(({ value }) => value > 0);
  });
}

describe('the overview', () => {
  it('names what needs attention, each a link to its rows', async () => {
    await trouble();
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(overview());
    await page.getByText('1 site has been offline for more than an hour').waitFor();
    expect(await followed(page, /offline for more than an hour/)).toBe(
      '/sites?state=offline&seenBefore=1h&sort=-lastSeenAt',
    );
    expect(await followed(page, /^1 public resource is down/)).toBe('/resources/public?health=unhealthy');
    expect(await followed(page, /^1 site was claimed twice/)).toBe('/sites?oddity=contested');
    expect(await followed(page, /^1 start-up bundle failed/)).toBe('/configuration/bundles?state=failed');
    expect(await followed(page, /waits? for approval/)).toBe('/provisioning/pending');
    expect(await followed(page, /^1 claim was refused in the last 24 hours/)).toMatch(
      /^\/provisioning\/claims\?outcome=refused&from=20/,
    );
    expect(await followed(page, /ends? within 7 days/)).toBe('/settings/expiring?within=7d');
    // Charts stand below, and are drawn.
    await page.getByRole('heading', { name: 'Over time' }).waitFor();
    await page.getByRole('figure', { name: 'Claims and refusals' }).locator('svg').first().waitFor();
    await page.getByText('30 days', { exact: true }).click();
    await page.waitForURL(/over=30d/);
    await page.getByRole('figure', { name: 'Sites online' }).locator('svg').first().waitFor();
  });

  it('changes by itself when something happens', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(overview());
    const link = page.getByRole('link', { name: /waits? for approval/ });
    const before = await link.textContent();
    await fixture.site('pending');
    await until(async () => (await link.textContent()) !== before);
  });

  it('says that all is quiet, and since when', async () => {
    const orgId = `${fixture.orgId}-quiet`.slice(0, 32);
    await dashboard.root.expect('PUT', '/org', { orgId, name: 'Quiet place' });
    const visitor = await dashboard.signedIn(TEST_ADMIN, { timezoneId: 'UTC' });
    const page = await visitor.goTo(`/org/${orgId}`);
    await page.getByText('All quiet', { exact: true }).waitFor();
    // Nothing is there yet: what to do next.
    await page.getByText('No sites yet').waitFor();
    await page.getByRole('link', { name: 'Create a key' }).waitFor();
    const [{ at }] = (await fixture.sql<{ at: Date }>(
      `INSERT INTO event (org_id, org_uid, type, data, created_at)
       SELECT org_id, org_uid, 'site.online', '{}', now() - interval '95 minutes' FROM org WHERE org_id = $1 RETURNING created_at AS at`,
      [orgId],
    )) as [{ at: Date }];
    await page.reload();
    await page
      .getByText(new RegExp(`^All quiet since (\\d{4}-\\d\\d-\\d\\d )?${at.toISOString().slice(11, 16)}$`))
      .waitFor();
    await takePicture(page, 'overview-quiet');
  });

  it('pauses claims, says so, and resumes them', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(overview());
    await page.getByRole('button', { name: 'Pause claims' }).click();
    await page.getByText(/admin@example\.com paused claims/).waitFor();
    expect(await page.getByRole('button', { name: 'Pause claims' }).count()).toBe(0);
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('button', { name: 'Pause claims' }).click();
    await page.getByRole('button', { name: 'Resume claims' }).click();
    await page.getByRole('button', { name: 'Pause claims' }).waitFor();
    expect(await dashboard.root.expect('GET', `/org/${fixture.orgId}`)).toMatchObject({
      org: { claimsPausedAt: null },
    });
  });

  it('tells who may not see a page who has the action for it', async () => {
    const { member, admin } = fixture.callers;
    const visitor = await dashboard.signedIn({ email: member.email, password: PASSWORD });
    const page = await visitor.goTo(`${overview()}/sites`);
    await page.getByText('It needs the action listSites').waitFor();
    await page.getByText(new RegExp(`Admin.*ask .*${admin.email}`)).waitFor();
    await expectAccessible(page);
  });
});

describe('many organizations', () => {
  it('are counted, and searched all at once', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo('/orgs');
    const row = page.getByRole('row').filter({ hasText: fixture.orgId });
    await page.getByText('Keys that end', { exact: true }).waitFor();
    const wrong = (await page.locator('tbody tr > td:nth-child(2)').allTextContents()).map(Number);
    expect(wrong.length).toBeGreaterThan(1);
    expect(wrong).toEqual([...wrong].sort((one, other) => other - one));
    expect(wrong[0]).toBeGreaterThan(wrong.at(-1)!);
    await page.getByText('Pending', { exact: true }).click();
    await page.waitForURL(/sort=-pending/);
    const { orgs } = await dashboard.root.expect<{
      orgs: { orgId: string; counts: { sites: { pending: number }; attention: number } }[];
    }>('GET', '/orgs');
    const { sites, attention } = orgs.find(({ orgId }) => orgId === fixture.orgId)!.counts;
    expect(await row.getByRole('cell').nth(1).textContent()).toBe(String(attention));
    expect(await row.getByRole('cell').nth(4).textContent()).toBe(String(sites.pending));
    await page.getByLabel('Find an organization, or what is in one').fill(fixture.approved.hardwareId);
    const hits = page.getByRole('region', { name: /^Found for/ });
    await hits.getByText('Sites', { exact: true }).waitFor();
    await hits.getByText(`${fixture.approved.hardwareId} · `).waitFor();
    await expectAccessible(page);
    await hits.getByRole('link').first().click();
    await page.waitForURL(new RegExp(`/org/${fixture.orgId}/sites/${fixture.approved.siteId}`));
  });

  it('are searched by Ctrl K from anywhere, by keyboard alone', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo('/org/default');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.keyboard.press('Control+k');
    const box = page.getByPlaceholder(/^Go to a place/);
    await box.waitFor();
    await page.keyboard.type(fixture.approved.hardwareId);
    await page.getByRole('button', { name: new RegExp(fixture.approved.hardwareId) }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(new RegExp(`/org/${fixture.orgId}/sites/${fixture.approved.siteId}`));
  });
});
