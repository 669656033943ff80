import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Agents } from '../support/browser/agents.js';
import { Dashboard, expectAccessible } from '../support/browser/dashboard.js';
import { FixtureOrg, PASSWORD } from '../support/fixture-org.js';

const LIST = 'Sites of this organization';

let dashboard: Dashboard;
let fixture: FixtureOrg;
let agents: Agents;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
  agents = new Agents(dashboard.server.url);
});
afterEach(async () => {
  await agents.stopAll();
  await dashboard.settle();
});
afterAll(async () => {
  await agents?.close();
  await dashboard?.close();
});

const at = (path: string): string => `/org/${fixture.orgId}/${path}`;
const filterBox = (page: Page) => page.locator(`input[aria-label="${LIST}"]`);
const row = (page: Page, name: string) => page.getByRole('row').filter({ hasText: name });

/** Sites that nobody claimed, in service, with a label that only they have. */
async function seed(batch: string, count: number): Promise<number[]> {
  const rows = await fixture.sql<{ id: number }>(
    `INSERT INTO site (org_id, nice_id, name, status, labels)
     SELECT $1, $2 || '-' || n, $2 || ' ' || lpad(n::text, 3, '0'), 'approved', jsonb_build_object('batch', $2::text)
     FROM generate_series(1, $3) n RETURNING site_id::int AS id`,
    [fixture.orgId, batch, count],
  );
  return rows.map(({ id }) => id);
}

describe('the list of sites', () => {
  it('shows an agent go offline and come back, without reloading', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('sites'));
    await page.evaluate('window.sameDocument = true');
    const first = agents.start(fixture.key.siteProvisioningKey, 'press-14', 'Press 14');
    await row(page, 'Press 14').getByText('Online', { exact: true }).waitFor();
    await agents.stop(first);
    await row(page, 'Press 14').getByText('Offline', { exact: true }).waitFor();
    agents.start(fixture.key.siteProvisioningKey, 'press-14', 'Press 14');
    await row(page, 'Press 14').getByText('Online', { exact: true }).waitFor();
    expect(await page.evaluate('window.sameDocument')).toBe(true);
  });

  it('is narrowed by what is typed, with suggestions of what there is', async () => {
    await seed('north', 3);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('sites'));
    await row(page, 'north 001').waitFor();
    await filterBox(page).fill('label:batch=nor');
    await page.getByRole('option', { name: /^label:batch=north\s+3 sites$/ }).click();
    await page.getByText('1 – 3 of 3').waitFor();
    expect(new URL(page.url()).search).toBe('?label=batch%3Dnorth');
    // Everything at once, as somebody would paste it.
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await filterBox(page).fill('state:never_connected label:batch=north !label:hall 002');
    await filterBox(page).press('Enter');
    await page.getByText('1 – 1 of 1').waitFor();
    await row(page, 'north 002').waitFor();
    const { searchParams } = new URL(page.url());
    expect(Object.fromEntries(searchParams)).toEqual({
      q: '002',
      state: 'never_connected',
      label: 'batch=north',
      '!label': 'hall',
    });
    await page.getByRole('button', { name: 'Remove the filter !label:hall' }).waitFor();
    // A state has one value at a time.
    await filterBox(page).fill('state:revoked');
    await filterBox(page).press('Enter');
    await page.getByText('No rows fit these filters.').waitFor();
    expect(new URL(page.url()).searchParams.getAll('state')).toEqual(['revoked']);
  });

  it('counts sites by state and leads to views that are asked for often', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('sites'));
    const states = page.getByRole('navigation', { name: 'Sites by state' });
    await states.getByRole('link', { name: /^Pending\s*1$/ }).click();
    await page.getByText('1 – 1 of 1').waitFor();
    await page.getByRole('link', { name: 'Never connected', exact: true }).click();
    await page.waitForURL(/\?state=never_connected$/);
    await page.getByRole('link', { name: 'Offline for more than 24 h' }).click();
    await page.waitForURL(/state=offline&seenBefore=24h/);
    await page.getByText('No rows fit these filters.').waitFor();
    await page.getByRole('link', { name: 'Without labels' }).click();
    await row(page, fixture.orgId).first().waitFor();
    expect(await row(page, 'north').count()).toBe(0);
  });

  it('goes on behind the last row that was shown, whatever comes meanwhile', async () => {
    await seed('steady', 170);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('sites?label=batch%3Dsteady'));
    await row(page, 'steady 050').waitFor();
    // They stand before what is shown, and push its last rows to the second page.
    await fixture.sql(
      `INSERT INTO site (org_id, nice_id, name, status, labels)
       SELECT $1, 'before-' || n, 'before ' || n, 'approved', '{"batch": "steady"}' FROM generate_series(1, 3) n`,
      [fixture.orgId],
    );
    await page.getByRole('button', { name: 'Next page' }).click();
    await row(page, 'steady 051').waitFor();
    await page.getByText('51 – 100 of 173').waitFor();
    expect(await row(page, 'steady 050').count()).toBe(0);
    await row(page, 'steady 100').waitFor();
    // A link is the same page again, and the last one is found by its number.
    await page.reload();
    await row(page, 'steady 051').waitFor();
    await page.getByRole('button', { name: 'Last page' }).click();
    await row(page, 'steady 170').waitFor();
    await page.getByText('151 – 173 of 173').waitFor();
    await row(page, 'steady 148').waitFor();
  });

  it('is sorted by its columns, goes to its last page, and finds rows and choice again on Back', async () => {
    await seed('many', 120);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('sites?label=batch%3Dmany'));
    await row(page, 'many 001').waitFor();
    await page.getByRole('button', { name: 'Last page' }).click();
    await row(page, 'many 120').waitFor();
    await page.getByText('101 – 120 of 120').waitFor();
    const byName = page.locator('th').filter({ hasText: /^Name$/ });
    await byName.click();
    await page.waitForURL(/sort=name/);
    await byName.click();
    await page.waitForURL(/sort=-name/);
    await row(page, 'many 120').waitFor();
    await page
      .getByRole('checkbox', { name: /^Select \d+$/ })
      .first()
      .check();
    await page
      .getByRole('checkbox', { name: /^Select \d+$/ })
      .nth(1)
      .check();
    await page.getByText('2 selected').waitFor();
    await page.getByRole('link', { name: 'many 120' }).click();
    await page.getByRole('heading', { level: 1, name: 'many 120' }).waitFor();
    await page.goBack();
    await page.getByText('2 selected').waitFor();
    await row(page, 'many 120').waitFor();
  });

  it('is written to a file, with the same filters', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('sites?label=batch%3Dnorth&q=00'));
    await page.getByText('1 – 3 of 3').waitFor();
    await page.getByRole('button', { name: 'Export' }).click();
    const begun = page.waitForEvent('download');
    await page.getByRole('menuitem', { name: 'As CSV' }).click();
    const { readFile } = await import('node:fs/promises');
    const lines = (await readFile(await (await begun).path(), 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines.slice(1).every((line) => line.includes('north 00'))).toBe(true);
  });

  it('offers nothing to change to who may only read', async () => {
    const viewer = await fixture.user('Viewer');
    const visitor = await dashboard.signedIn({ email: viewer.email, password: PASSWORD });
    const page = await visitor.goTo(at('sites?label=batch%3Dnorth'));
    await row(page, 'north 001').waitFor();
    expect(await page.getByRole('checkbox', { name: /^Select/ }).count()).toBe(0);
    expect(await page.getByRole('button', { name: /that match/ }).count()).toBe(0);
  });
});

describe('an act on many sites', () => {
  it('goes over 500 sites and tells the one that failed', async () => {
    const siteIds = await seed('fleet', 500);
    const lost = siteIds[250]!;
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('sites?label=batch%3Dfleet'));
    await page.getByRole('button', { name: 'All 500 that match' }).click();
    await page.getByRole('menuitem', { name: 'Suspend' }).click();
    const dialog = page.getByRole('dialog', { name: 'Suspend: 500 sites' });
    await dialog.getByText('500 sites change.').waitFor();
    await dialog.getByLabel('Note').fill('Winter');
    // One is lost between what was foreseen and what is done.
    await dashboard.root.expect('POST', `/site/${lost}/revoke`, {});
    await expectAccessible(page, '[role="dialog"]');
    await dialog.getByRole('button', { name: 'Suspend: 500 sites' }).click();
    await page.waitForURL(/\/jobs\/\d+/);
    await page.getByText('500 of 500').first().waitFor();
    await page.getByText('1 failed').first().waitFor();
    await page.getByRole('button', { name: 'Export' }).click();
    const begun = page.waitForEvent('download');
    await page.getByRole('menuitem', { name: 'As CSV' }).click();
    const { readFile } = await import('node:fs/promises');
    const lines = (await readFile(await (await begun).path(), 'utf8')).trim().split('\n').slice(1);
    expect(lines).toHaveLength(500);
    const failed = lines.filter((line) => line.includes('conflict'));
    expect(failed).toHaveLength(1);
    expect(failed[0]!.split(',')).toContain(String(lost));
    await page.goto(at('sites?label=batch%3Dfleet&state=suspended'));
    await page.getByText('of 499').waitFor();
  });

  it('says what is refused before anything is done, and asks for the number', async () => {
    const siteIds = await seed('old', 4);
    await dashboard.root.expect('POST', `/site/${siteIds[0]}`, { status: 'pending' });
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('sites?label=batch%3Dold'));
    await page.getByRole('checkbox', { name: 'Select all rows of this page' }).check();
    await page.getByText('4 selected').waitFor();
    await page.getByRole('button', { name: 'Actions' }).click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    const dialog = page.getByRole('dialog', { name: 'Delete: 4 sites' });
    await dialog.getByText('3 sites change.').waitFor();
    await dialog.getByText('1 is refused:').waitFor();
    const button = dialog.getByRole('button', { name: 'Delete: 3 sites' });
    expect(await button.isDisabled()).toBe(true);
    await dialog.getByLabel('Type 3 to confirm').fill('3');
    await button.click();
    await page.waitForURL(/\/jobs\/\d+/);
    await page.getByText('1 failed').first().waitFor();
  });

  it('offers what can be undone in place of what cannot', async () => {
    await seed('gentle', 2);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('sites?label=batch%3Dgentle'));
    await page.getByRole('button', { name: 'All 2 that match' }).click();
    await page.getByRole('menuitem', { name: 'Revoke' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Suspend instead' }).click();
    await dialog.getByRole('button', { name: 'Suspend: 2 sites' }).click();
    await page.getByText('2 of 2').first().waitFor();
  });

  it('tells at its field what is wrong with a label', async () => {
    await seed('labels', 2);
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at('sites?label=batch%3Dlabels'));
    await page.getByRole('button', { name: 'All 2 that match' }).click();
    await page.getByRole('menuitem', { name: 'Add labels' }).click();
    const dialog = page.getByRole('dialog');
    const labels = dialog.getByRole('combobox', { name: 'Labels' });
    await labels.fill('=empty');
    await labels.press('Enter');
    await labels.press('Tab');
    await dialog.getByRole('button', { name: 'See what it would do' }).click();
    await dialog.locator('[aria-invalid="true"]').waitFor();
    await labels.press('Backspace');
    await labels.fill('wave=2');
    await labels.press('Enter');
    await labels.press('Tab');
    await dialog.getByRole('button', { name: 'See what it would do' }).click();
    await dialog.getByRole('button', { name: 'Add labels: 2 sites' }).click();
    await page.getByText('2 of 2').first().waitFor();
    await page.goto(at('sites?label=wave%3D2'));
    await page.getByText('1 – 2 of 2').waitFor();
  });
});

describe('groups', () => {
  it('are made, hold sites, are renamed and deleted', async () => {
    const [siteId] = await seed('grouped', 1);
    const visitor = await dashboard.signedIn();
    // What tells of its end may come before its page is left.
    visitor.expectComplaint(/404/);
    const page = await visitor.goTo(at('sites/groups'));
    await page.getByRole('button', { name: 'Create a group' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('Hall B');
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { level: 1, name: 'Hall B' }).waitFor();
    await page.getByText('No sites in this group').waitFor();
    await page.getByRole('button', { name: 'Add sites' }).click();
    await page.getByRole('dialog').getByRole('combobox', { name: 'Sites' }).fill('grouped');
    await page.getByRole('option', { name: 'grouped 001' }).click();
    await page.keyboard.press('Tab');
    await page.getByRole('dialog').getByRole('button', { name: 'Add to groups' }).click();
    await row(page, 'grouped 001').waitFor();
    expect(await page.locator(`a[href$="/sites/${siteId}"]`).count()).toBeGreaterThan(0);

    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('Hall C');
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { level: 1, name: 'Hall C' }).waitFor();
    await page.getByRole('button', { name: 'Delete group' }).click();
    await page.getByRole('dialog').getByLabel('Type Hall C to confirm').fill('Hall C');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('heading', { level: 1, name: 'Groups' }).waitFor();
    await page.getByRole('link', { name: 'Hall C' }).waitFor({ state: 'detached' });
  });
});
