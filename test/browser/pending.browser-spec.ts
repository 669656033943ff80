import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newNonce, provision, type TestKey } from '../support/api.js';
import { Dashboard, expectAccessible, PHONE, takePicture } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';
import { TEST_ADMIN } from '../support/server.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
let key: TestKey;
beforeAll(async () => {
  dashboard = await Dashboard.open();
});
// Each has its own organization: what waits is all that its test has made.
beforeEach(async () => {
  fixture = await FixtureOrg.open(dashboard.server);
  await dashboard.root.expect('POST', fixture.path('approvals'), {
    siteIds: [fixture.pending.siteId],
    decision: 'approve',
  });
  key = await fixture.provisioningKey({ approveNewSites: false });
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

const pending = (search = ''): string => `/org/${fixture.orgId}/provisioning/pending${search}`;

async function claim(name: string): Promise<void> {
  const { status } = await provision(dashboard.server.url, {
    provision_key: key.siteProvisioningKey,
    device_name: name,
    hardware_id: `hw-${name}`,
    claim_nonce: newNonce(),
  });
  expect([200, 201]).toContain(status);
}

/** Two machines with one hardware id, as a copy of a disk has it. */
async function claimTwice(name: string): Promise<void> {
  await claim(name);
  await claim(name);
}

describe('pending sites', () => {
  it('show which is odd: the others are approved, and it is blocked', async () => {
    for (const name of ['press-1', 'press-2', 'press-3']) await claim(name);
    await claimTwice('copy-4');
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(pending());
    await page.getByText('4 sites wait for approval').waitFor();
    const odd = page.getByRole('row').filter({ hasText: 'copy-4' });
    await odd.getByText('Claimed twice').waitFor();
    await expectAccessible(page);
    await takePicture(page, 'pending-odd');

    await page.getByText('Something odd', { exact: true }).click();
    await page.getByText('One site waits for approval').waitFor();
    await odd.waitFor();
    await page.getByText('Nothing odd', { exact: true }).click();
    await page.getByText('3 sites wait for approval').waitFor();
    expect(new URL(page.url()).searchParams.get('odd')).toBe('0');
    await page.getByRole('button', { name: 'Approve all 3' }).click();
    const dialog = page.getByRole('dialog', { name: 'Approve 3 sites' });
    await dialog.getByRole('button', { name: 'Approve 3 sites' }).click();
    await page.getByText('3 approved').waitFor();

    await page.getByText('All', { exact: true }).click();
    await odd.getByRole('button', { name: 'Reject copy-4' }).click();
    const rejection = page.getByRole('dialog', { name: 'Reject copy-4' });
    await rejection.getByLabel('Type copy-4 to confirm').fill('copy-4');
    await rejection.getByRole('button', { name: 'Reject' }).click();
    await page.getByText('1 rejected').waitFor();
    await page.getByText('Nothing waits for approval').waitFor();

    await page.getByRole('link', { name: 'Blocked hardware ids' }).click();
    await page.getByText('hw-copy-4').waitFor();
    await page.getByRole('link', { name: 'Rejected sites' }).click();
    const row = page.getByRole('row').filter({ hasText: 'hw-copy-4' });
    await row.getByText('Blocked', { exact: true }).waitFor();
    await expectAccessible(page);
  });

  it('are approved all at once but for what is odd, which the dry run names', async () => {
    for (const name of ['press-1', 'press-2']) await claim(name);
    await claimTwice('copy-3');
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(pending());
    await page.getByRole('button', { name: 'Approve all 3' }).click();
    const dialog = page.getByRole('dialog', { name: 'Approve 3 sites' });
    await dialog.getByText('Something is odd about one of them:').waitFor();
    await dialog.getByRole('link', { name: 'copy-3' }).waitFor();
    await dialog.getByText('Claimed twice').waitFor();
    await expectAccessible(page, '[role="dialog"]');
    await takePicture(page, 'pending-approve-odd');
    // What comes meanwhile was not seen, and waits.
    await claim('late-4');
    await page.getByText('4 sites wait for approval').waitFor();
    await dialog.getByRole('button', { name: 'Approve the 2 that are not odd' }).click();
    await page.getByText('2 approved').waitFor();
    await page.getByText('2 sites wait for approval').waitFor();
    await page.getByRole('row').filter({ hasText: 'late-4' }).waitFor();
    await page.getByRole('row').filter({ hasText: 'copy-3' }).waitFor();
  });

  it('are rejected without being blocked, when one says so', async () => {
    for (const name of ['press-1', 'press-2']) await claim(name);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(pending());
    await page.getByLabel('Select all rows of this page').click();
    await page.getByText('2 selected').waitFor();
    await page.getByRole('button', { name: 'Reject', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Reject 2 sites' });
    await dialog.getByLabel('Block the hardware ids, so that they cannot claim again').uncheck();
    await dialog.getByLabel('Type 2 to confirm').fill('2');
    await dialog.getByRole('button', { name: 'Reject' }).click();
    await page.getByText('2 rejected').waitFor();
    await page.goto(`/org/${fixture.orgId}/provisioning/blocked/rejections`);
    await page.getByText('May claim again').first().waitFor();
    expect(await page.getByText('May claim again').count()).toBe(2);
  });

  it('are narrowed by key, source and oddity, and read on a phone', async () => {
    await claim('press-1');
    await claimTwice('copy-2');
    await fixture.site('pending');
    const visitor = await dashboard.signedIn(TEST_ADMIN, { viewport: PHONE });
    const page = await visitor.goTo(pending(`?key=${key.siteProvisioningKeyId}`));
    await page.getByText('2 sites wait for approval').waitFor();
    await page.getByText('Claimed twice').waitFor();
    await expectAccessible(page);
    await takePicture(page, 'pending-phone');
    await page.goto(pending('?oddity=contested'));
    await page.getByText('One site waits for approval').waitFor();
    await page.goto(pending('?source=127.0.0.0%2F8'));
    await page.getByText('3 sites wait for approval').waitFor();
    await page.goto(pending('?source=203.0.113.0%2F24'));
    await page.getByText('Nothing matches').waitFor();
  });
});
