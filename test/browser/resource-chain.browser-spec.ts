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

describe('the chain of a public resource', () => {
  it('says at its first broken link why, and what to do, and follows what is done', async () => {
    const resourceId = await fixture.resource();
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(`/org/${fixture.orgId}/resources/public/${resourceId}`);
    const chain = page.getByRole('region', { name: 'From visitors to the program' });
    await chain.getByText('Targets: broken').waitFor();
    await chain.getByText('It has no target').waitFor();
    await chain.getByText('Next step: Add a target').waitFor();
    expect((await chain.boundingBox())!.y).toBeLessThan(400);
    await expectAccessible(page);
    await takePicture(page, 'resource-chain');

    // What is behind a link is shown by a click on it.
    await chain.getByRole('button', { name: /Domain$/ }).click();
    await chain.getByText('Domain: in order').waitFor();
    await chain.getByRole('button', { name: /Targets$/ }).click();

    // Its site has never connected: the next link is broken now.
    await fixture.target(resourceId);
    await chain.getByText('Targets: in order').waitFor();
    await chain.getByRole('button', { name: /Sites$/ }).click();
    await chain.getByText('Sites: broken').waitFor();
  });

  it('is read on a phone, where the settings say that they are', async () => {
    const resourceId = await fixture.resource();
    const visitor = await dashboard.signedIn(TEST_ADMIN, { viewport: PHONE, colorScheme: 'dark' });
    const page = await visitor.goTo(`/org/${fixture.orgId}/resources/public/${resourceId}`);
    await page.getByText('Targets: broken').waitFor();
    await page.getByText('Editing needs a larger screen. Here you can read.').waitFor();
    await expectAccessible(page);
    await takePicture(page, 'resource-chain-phone');
  });
});
