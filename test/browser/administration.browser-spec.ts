import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Dashboard, expectAccessible } from '../support/browser/dashboard.js';
import { FixtureOrg, PASSWORD } from '../support/fixture-org.js';
import { logIn } from '../support/log-in.js';
import { until } from '../support/server.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

const at = (path: string): string => `/org/${fixture.orgId}/${path}`;
const filterBox = (page: Page) => page.locator('input[aria-label="Who did what, newest first"]');

describe('the audit log', () => {
  it('is filtered by what is typed, shows details, and narrows to one request', async () => {
    await dashboard.root.expect('PUT', fixture.path('role'), { name: 'Of the audit' });
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('logs/audit'));
    await page.getByRole('button', { name: 'Details of role.create' }).first().waitFor();
    await filterBox(page).fill('action:role.create');
    await filterBox(page).press('Enter');
    await page.waitForURL(/action=role\.create/);
    const acts = page.getByRole('table').getByRole('button', { name: /^Details of / });
    await page.getByRole('table').getByText('Of the audit').waitFor();
    expect(new Set(await acts.allTextContents())).toEqual(new Set(['role.create']));
    await acts.first().click();
    const dialog = page.getByRole('dialog', { name: 'Details of role.create' });
    await dialog.getByRole('region', { name: 'Details' }).getByText('Of the audit').waitFor();
    await dialog.getByRole('button', { name: 'All of this request' }).click();
    await page.waitForURL(/requestId=/);
    await page.getByText('1 – 1 of 1').waitFor();

    // Of a person or a thing the filter is an id, and shows its name.
    await acts.first().click();
    await dialog.getByRole('button', { name: 'All about this target' }).click();
    await page.waitForURL(/targetId=\d+/);
    await page.getByText('targetId:Of the audit', { exact: true }).waitFor();

    // What nobody did leaves nothing, and says how to go on.
    await page.goto(at('logs/audit?action=nothing.such'));
    await page.getByText('No rows fit these filters.').waitFor();
    // Back from another page finds the filter again.
    await page.getByRole('button', { name: 'Clear filters' }).last().click();
    await page.goBack();
    await page.getByText('No rows fit these filters.').waitFor();
  });

  it('is written to a file, with the same filters', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('logs/audit?action=org.create'));
    await page.getByRole('button', { name: 'Export' }).click();
    const begun = page.waitForEvent('download');
    await page.getByRole('menuitem', { name: 'As CSV' }).click();
    const download = await begun;
    const { readFile } = await import('node:fs/promises');
    const lines = (await readFile(await download.path(), 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain('org.create');
  });

  it('says what is wrong with a filter', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at('logs/audit?address=nonsense'));
    await page.getByText(/must be an IP address, or a range/).waitFor();
  });
});

describe('events', () => {
  it('appear by themselves', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('logs/events'));
    await page.getByRole('table', { name: 'Events, oldest first' }).waitFor();
    await page.getByRole('button', { name: 'Only new ones' }).click();
    await page.getByText('Nothing happened since').waitFor();
    await dashboard.root.expect('PUT', fixture.path('role'), { name: 'Of the events' });
    await page.getByRole('cell', { name: 'role.created', exact: true }).waitFor();
  });
});

describe('a job', () => {
  it('is paused, and cancelled for good', async () => {
    const sites = await Promise.all(Array.from({ length: 40 }, () => fixture.site('pending')));
    const { jobId } = await dashboard.root.expect<{ jobId: number }>('POST', fixture.path('site-actions'), {
      siteIds: sites.map(({ siteId }) => siteId),
      action: 'add_labels',
      labels: { rack: 'b' },
      pace: 1,
    });
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at(`jobs/${jobId}`));
    await page.getByRole('heading', { level: 1, name: `Many sites: Add labels, job ${jobId}` }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    const told = page.getByRole('alert').filter({ hasText: 'Job paused' });
    await told.getByRole('button', { name: 'Copy as curl' }).waitFor();
    await page.getByRole('button', { name: 'Resume' }).waitFor();
    await page.getByRole('button', { name: 'Cancel job' }).click();
    const dialog = page.getByRole('dialog', { name: 'Cancel this job for good?' });
    await dialog.getByLabel(`Type ${jobId} to confirm`).fill(String(jobId));
    await dialog.getByRole('button', { name: 'Cancel job' }).click();
    await page.getByText('Cancelled', { exact: true }).waitFor();
    await expectAccessible(page);
    expect((await dashboard.root.expect<{ status: string }>('GET', fixture.path(`jobs/${jobId}`))).status).toBe(
      'cancelled',
    );
  });

  it('shows its results without a reload', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('jobs'));
    const { jobId } = await dashboard.root.expect<{ jobId: number }>('POST', fixture.path('site-actions'), {
      siteIds: [fixture.approved.siteId, fixture.pending.siteId],
      action: 'add_labels',
      labels: { rack: 'c' },
    });
    await page
      .getByRole('table')
      .getByRole('link', { name: new RegExp(` ${jobId}$`) })
      .click();
    await page.getByText('Finished', { exact: true }).waitFor();
    await page.getByText('2 of 2', { exact: true }).waitFor();
    await page.locator(`a[href$="/sites/${fixture.approved.siteId}"]`).waitFor();
  });
});

describe('settings', () => {
  it('rename the organization, and say what is wrong', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at('settings'));
    const name = page.getByLabel('Name', { exact: true });
    await name.fill('');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await name.and(page.locator('[aria-invalid="true"]')).waitFor();
    await name.fill(`${fixture.orgId} renamed`);
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText('Organization saved').waitFor();
    await page.getByRole('button', { name: `Switch organization: ${fixture.orgId} renamed` }).waitFor();
  });

  it('pause claims, and let them happen again', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('settings/approval'));
    await page.getByRole('button', { name: 'Pause claims' }).click();
    await page.getByRole('alert').filter({ hasText: 'Claims are paused' }).first().waitFor();
    const { org } = await dashboard.root.expect<{ org: { claimsPausedAt: string | null } }>(
      'GET',
      `/org/${fixture.orgId}`,
    );
    expect(org.claimsPausedAt).not.toBeNull();
    await page.getByRole('button', { name: 'Let claims happen again' }).click();
    await page.getByRole('button', { name: 'Pause claims' }).waitFor();
  });

  it('add an address range, and say what is no range', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at('settings/addresses'));
    await page.getByLabel('Range', { exact: true }).fill('nonsense');
    await page.getByRole('button', { name: 'Add range' }).click();
    await page.getByLabel('Range', { exact: true }).and(page.locator('[aria-invalid="true"]')).waitFor();
    const cidr = fixture.cidr();
    await page.getByLabel('Range', { exact: true }).fill(cidr);
    await page.getByRole('button', { name: 'Add range' }).click();
    await page.getByRole('cell', { name: cidr, exact: true }).waitFor();
    await page.getByRole('button', { name: `Remove ${cidr}` }).click();
    await page.getByRole('cell', { name: cidr, exact: true }).waitFor({ state: 'detached' });
  });

  it('close an organization, and open it again', async () => {
    const other = await FixtureOrg.open(dashboard.server);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(`/org/${other.orgId}/settings/close`);
    await page.getByRole('button', { name: 'Close organization' }).click();
    await page.getByLabel(`Type ${other.orgId} to confirm`).fill(other.orgId);
    await page.getByRole('dialog').getByRole('button', { name: 'Close organization' }).click();
    await page.getByRole('alert').filter({ hasText: 'This organization is closed' }).waitFor();
    await page.getByRole('button', { name: 'Reopen organization' }).click();
    await page.getByRole('button', { name: 'Close organization' }).waitFor();
  });
});

describe('the server', () => {
  it('makes an organization, and says which field is wrong', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo('/server');
    await page.getByRole('button', { name: 'New organization' }).click();
    const dialog = page.getByRole('dialog', { name: 'New organization' });
    await dialog.getByLabel('Name').fill('Acme');
    await dialog.getByLabel('Id', { exact: true }).fill('Not an id!');
    await dialog.getByRole('button', { name: 'Create organization' }).click();
    await dialog.getByLabel('Id', { exact: true }).and(page.locator('[aria-invalid="true"]')).waitFor();
    await dialog.getByLabel('Id', { exact: true }).fill('acme-of-the-server');
    await dialog.getByRole('button', { name: 'Create organization' }).click();
    await page.waitForURL(/\/org\/acme-of-the-server$/);
  });

  it('is not for others', async () => {
    const visitor = await dashboard.signedIn({ email: fixture.callers.admin.email, password: PASSWORD });
    const page = await visitor.goTo('/server');
    await page.getByRole('heading', { name: 'You may not see this' }).waitFor();
  });
});

describe("one's own sessions", () => {
  it('are told in the account, and ended there: one, or all but this one', async () => {
    const { email, api } = await fixture.user('Member');
    const [there, third] = [
      await logIn(dashboard.server.url, email, PASSWORD),
      await logIn(dashboard.server.url, email, PASSWORD),
    ];
    const visitor = await dashboard.visitor();
    visitor.expectComplaint(/401/);
    const page = await visitor.goTo('/login?to=/account');
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    const rows = page.getByRole('table', { name: 'Your sessions, the one used last first' }).locator('tbody tr');
    const here = rows.filter({ hasText: 'This one' });
    await here.getByText('Chrome on Linux').waitFor();
    expect(await here.getByText('127.0.0.1').count()).toBe(1);
    expect(await here.getByRole('button', { name: /^End / }).count()).toBe(0);
    expect(await rows.count()).toBe(4);
    await expectAccessible(page);
    await rows
      .getByRole('button', { name: /^End the session in / })
      .first()
      .click();
    const dialog = page.getByRole('dialog', { name: 'End a session' });
    expect(await dialog.getByRole('button', { name: 'Copy as curl' }).count()).toBe(0);
    await dialog.getByRole('button', { name: 'End', exact: true }).click();
    await page.getByText('The session has ended').waitFor();
    await until(async () => (await rows.count()) === 3);
    await page.getByRole('button', { name: 'End all others' }).click();
    await page.getByRole('dialog').getByText('2 sessions end; this one stays.').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'End all others' }).click();
    await page.getByText('2 other sessions have ended').waitFor();
    await until(async () => (await rows.count()) === 1);
    for (const ended of [api, there, third]) await until(async () => (await ended.get('/user')).status === 401);
    await page.reload();
    await here.waitFor();
  });
});
