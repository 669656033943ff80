import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Dashboard, expectAccessible } from '../support/browser/dashboard.js';
import { RealisticOrg } from '../support/realistic-org.js';

let dashboard: Dashboard;
let org: RealisticOrg;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  org = await RealisticOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

const at = (path: string): string => `/org/${org.orgId}/logs/${path}`;
const box = (page: Page, label: string) => page.locator(`input[aria-label="${label}"]`);
const cells = async (page: Page, column: number): Promise<string[]> => {
  await page.getByRole('table').locator('tbody tr').first().waitFor();
  return page.getByRole('table').locator(`tbody tr td:nth-child(${column})`).allTextContents();
};

describe('requests', () => {
  it('are filtered by what is typed, and each shows what is known of it', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('requests'));
    await page.getByText(/1 – 50 of/).waitFor();
    expect(new Set(await cells(page, 2))).toEqual(new Set(['200', '401', '502']));
    await expectAccessible(page);

    await box(page, 'Requests to public resources, newest first').fill('status:5xx');
    await box(page, 'Requests to public resources, newest first').press('Enter');
    await page.waitForURL(/status=5xx/);
    await page.getByRole('table').getByText('401').first().waitFor({ state: 'detached' });
    expect(new Set(await cells(page, 2))).toEqual(new Set(['502']));

    await page
      .getByRole('table')
      .getByRole('button', { name: /^Details of / })
      .first()
      .click();
    const dialog = page.getByRole('dialog', { name: /^Details of / });
    await dialog.getByText('502 bad_gateway').waitFor();
    await dialog.getByText(/^https:\/\//).waitFor();
    await dialog.getByRole('button', { name: 'All of this resource' }).click();
    await page.waitForURL(/resourceId=\d+/);
    // The filter is an id, and shows a name.
    await page.getByText(/^resourceId:[^\s\d]/).waitFor();
  });

  it('go on behind what was shown, whatever comes meanwhile', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('requests'));
    await page.getByText(/1 – 50 of/).waitFor();
    await page.getByRole('button', { name: 'Page 2', exact: true }).click();
    await page.waitForURL(/cursor=\d+\.\d+/);
    await page.getByText(/51 – 100 of/).waitFor();
  });

  it('are written to a file, with the same filters', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('requests?status=502'));
    await page.getByRole('button', { name: 'Export' }).click();
    const begun = page.waitForEvent('download');
    await page.getByRole('menuitem', { name: 'As CSV' }).click();
    const { readFile } = await import('node:fs/promises');
    const [head, ...lines] = (await readFile(await (await begun).path(), 'utf8')).trim().split('\n');
    expect(head).toContain('originalRequestURL');
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.filter((line) => !line.includes('bad_gateway'))).toEqual([]);
  });

  it('refuse a filter that cannot be meant, in words', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at('requests?ip=nonsense'));
    await page.getByText(/must be an IP address or a range/).waitFor();
  });
});

describe('logins', () => {
  it('are filtered by how somebody logged in, and whether they were let in', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('logins?type=password&action=false'));
    await page.getByText(/^1 – \d+ of \d+$/).waitFor();
    expect(new Set(await cells(page, 2))).toEqual(new Set(['Failed']));
    expect(new Set(await cells(page, 4))).toEqual(new Set(['Password']));
    await expectAccessible(page);
  });
});

it('what somebody may not read is not offered', async () => {
  const visitor = await dashboard.signedIn(org.people.Member);
  const page = await visitor.goTo(`/org/${org.orgId}/my-resources`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  expect(await page.getByRole('link', { name: 'Requests', exact: true }).count()).toBe(0);
  visitor.expectComplaint(/403/);
  await page.goto(at('requests'));
  await page.getByText('viewLogs').first().waitFor();
});

it('how long they are kept is a setting', async () => {
  const visitor = await dashboard.signedIn();
  const page = await visitor.goTo(`/org/${org.orgId}/settings/retention`);
  const field = page.getByLabel('Days of the log of logins');
  await field.fill('30');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Retention saved').waitFor();
  const read = await dashboard.root.expect<{ org: Record<string, unknown> }>('GET', `/org/${org.orgId}`);
  expect(read.org).toMatchObject({ settingsLogRetentionDaysRequest: 7, settingsLogRetentionDaysAccess: 30 });
  await expectAccessible(page);
});
