import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newNonce, provision } from '../support/api.js';
import { Dashboard, expectAccessible, takePicture } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

const claims = (search = ''): string => `/org/${fixture.orgId}/provisioning/claims${search}`;

describe('a claim that is refused', () => {
  it('has its reason in the log, and the way to what mends it', async () => {
    const key = await fixture.provisioningKey({ name: 'Line 4', status: 'disabled' });
    const claim = () =>
      provision(dashboard.server.url, {
        provision_key: key.siteProvisioningKey,
        hardware_id: 'press-14',
        claim_nonce: newNonce(),
      });
    expect((await claim()).status).toBe(403);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(claims());
    await page.getByRole('textbox', { name: 'Claims' }).fill('press-14');
    const row = page.getByRole('row').filter({ hasText: 'press-14' });
    await row.getByText('Key is disabled').waitFor();
    await expectAccessible(page);
    await takePicture(page, 'claims-refused');
    await row.getByRole('link', { name: 'To the key' }).click();
    await page.getByRole('heading', { name: 'Line 4' }).waitFor();
    await page.getByRole('button', { name: 'Enable' }).click();
    await page.getByRole('button', { name: 'Disable' }).waitFor();
    expect((await claim()).status).toBe(201);
  });

  it('is found by outcome, key, address and time', async () => {
    const key = await fixture.provisioningKey({ maxBatchSize: 1 });
    const claim = (hardware_id: string) =>
      provision(dashboard.server.url, {
        provision_key: key.siteProvisioningKey,
        hardware_id,
        claim_nonce: newNonce(),
      });
    await claim('first-1');
    expect((await claim('second-2')).status).toBe(403);
    const by = `key=${key.siteProvisioningKeyId}`;
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(claims(`?${by}`));
    await page.getByText('second-2').waitFor();
    await page.getByText('first-1').waitFor();
    await page.goto(claims(`?${by}&outcome=refused`));
    await page.getByText('Key is used up').waitFor();
    expect(await page.getByText('first-1').count()).toBe(0);
    await page.goto(claims(`?${by}&address=203.0.113.0%2F24`));
    await page.getByText('Nothing matches').waitFor();
    await page.goto(claims(`?${by}&to=2020-01-01T00:00:00Z`));
    await page.getByText('Nothing matches').waitFor();
    await page.goto(claims(`?${by}&from=2020-01-01T00:00:00Z&address=127.0.0.1`));
    await page.getByText('second-2').waitFor();
  });
});
