import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Dashboard, expectAccessible, PHONE, takePicture } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';
import { TEST_ADMIN } from '../support/server.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

const rotations = (): string => `/org/${fixture.orgId}/configuration/rotations/credentials`;

describe('credentials', () => {
  it('are rotated by a filter, and the page says who still uses the old one', async () => {
    const key = await fixture.provisioningKey({ name: 'North hall', approveNewSites: true });
    const before = fixture.key;
    fixture.key = key;
    for (let made = 0; made < 3; made++) await fixture.site('approved');
    fixture.key = before;
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(rotations());
    await page.getByRole('button', { name: 'Rotate credentials' }).click();
    const dialog = page.getByRole('dialog', { name: 'Rotate credentials' });
    await dialog.getByRole('combobox', { name: 'Enrolled with key' }).click();
    await page.getByRole('option', { name: 'North hall' }).click();
    await dialog.getByLabel(/^Sites per minute/).fill('600');
    await dialog.getByText('3 sites take another credential.').waitFor();
    await expectAccessible(page, '[role="dialog"]');
    await takePicture(page, 'rotate-credentials');
    await dialog.getByRole('button', { name: 'Begin' }).click();
    await page.getByText('Still using the old one: 3 of 3.').waitFor();
    await page.getByText('3 take it when they connect or renew.').waitFor();
    await expectAccessible(page);
    await takePicture(page, 'rotation-drain');
  });

  it('say at their fields what is wrong', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400|404/);
    const page = await visitor.goTo(rotations());
    await page.getByRole('button', { name: 'Rotate credentials' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'Rotate credentials' });
    await dialog.getByLabel(/^Sites per minute/).fill('0');
    await dialog.getByRole('button', { name: 'Begin' }).click();
    await dialog.locator('[aria-invalid="true"]').waitFor();
    expect(await dialog.getByLabel(/^Sites per minute/).getAttribute('aria-invalid')).toBe('true');
  });
});

describe('on a phone', () => {
  it('a template is read, and says that editing needs a larger screen', async () => {
    const visitor = await dashboard.signedIn(TEST_ADMIN, { viewport: PHONE });
    const page = await visitor.goTo(`/org/${fixture.orgId}/provisioning/templates/${fixture.templateId}`);
    await page.getByText('Editing needs a larger screen. Here you can read.').waitFor();
    expect(await page.getByLabel('Name', { exact: true }).isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: 'Save' }).count()).toBe(0);
    await expectAccessible(page);
  });
});
