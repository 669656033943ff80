import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newNonce, provision, type TestKey } from '../support/api.js';
import { Dashboard, expectAccessible, takePicture } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
let key: TestKey;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
});
beforeEach(async () => {
  key = await fixture.provisioningKey({ name: 'Hall B', approveNewSites: true });
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

const keyPage = (): string => `/org/${fixture.orgId}/provisioning/keys/${key.siteProvisioningKeyId}`;

/** A site in service that the key made from this address. */
async function made(name: string, address: string): Promise<number> {
  const hardware_id = fixture.name(name);
  const { status } = await provision(dashboard.server.url, {
    provision_key: key.siteProvisioningKey,
    device_name: name,
    hardware_id,
    claim_nonce: newNonce(),
  });
  expect(status).toBe(201);
  const [row] = await fixture.sql<{ siteId: number }>(
    'UPDATE claim SET address = $2::inet WHERE hardware_id = $1 RETURNING site_id::int AS "siteId"',
    [hardware_id, address],
  );
  return row!.siteId;
}

const stateOf = async (siteId: number): Promise<string> =>
  (await dashboard.root.expect<{ state: string }>('GET', `/site/${siteId}`)).state;

describe('a key that leaked', () => {
  it('is stopped together with what it made for others, and nothing else', async () => {
    const own = await made('own', '198.51.100.7');
    const stolen = await made('stolen', '203.0.113.9');
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(keyPage());
    await page.getByRole('button', { name: 'Leaked' }).click();
    const dialog = page.getByRole('dialog', { name: 'Hall B leaked' });
    await dialog.getByText(/nothing from known networks, and 2 sites from 2 networks never seen before/).waitFor();
    await dialog.getByRole('button', { name: 'It is mine: 198.51.100.0/24' }).click();
    await dialog
      .getByText(/one site from one network known before, and one site from one network never seen before/)
      .waitFor();
    await dialog.getByText('No site is suspended.').waitFor();
    await dialog.getByLabel('Suspend those from new networks').check();
    await dialog.getByText('One site is suspended.').waitFor();
    await dialog.getByRole('row').filter({ hasText: '203.0.113.0/24' }).getByText('new', { exact: true }).waitFor();
    await expectAccessible(page, '[role="dialog"]');
    await takePicture(page, 'key-leaked');
    // Nothing has happened so far.
    expect(await stateOf(stolen)).toBe('never_connected');
    await dialog.getByRole('button', { name: 'Stop the key' }).click();
    await page.getByText('Suspended: 1').waitFor();
    await page.getByText('Disabled', { exact: true }).waitFor();
    expect([await stateOf(own), await stateOf(stolen)]).toEqual(['never_connected', 'suspended']);
  });

  it('gets another secret, shown once, and the one before ends at once', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(keyPage());
    await page.getByRole('button', { name: 'Leaked' }).click();
    const dialog = page.getByRole('dialog', { name: 'Hall B leaked' });
    await dialog.getByLabel('Give it another secret').check();
    await dialog.getByRole('button', { name: 'Stop the key' }).click();
    const shown = page.getByRole('dialog', { name: 'Key Hall B' });
    const secret = (await shown.getByText(/^spk_/).textContent())!;
    expect(secret.split('.')[0]).toBe(key.siteProvisioningKey.split('.')[0]);
    const claim = (provision_key: string) =>
      provision(dashboard.server.url, { provision_key, claim_nonce: newNonce() });
    expect((await claim(secret)).status).toBe(201);
    expect((await claim(key.siteProvisioningKey)).status).toBe(403);
  });

  it('says at its field what is wrong with a network', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(keyPage());
    await page.getByRole('button', { name: 'Leaked' }).click();
    const dialog = page.getByRole('dialog', { name: 'Hall B leaked' });
    const networks = dialog.getByRole('combobox', { name: 'Networks that are yours' });
    await networks.fill('not-a-network');
    await networks.press('Enter');
    // The look at what it made tells of it already, once.
    const told = dialog.getByText(/must be an IP address or a CIDR/i);
    await told.waitFor();
    expect(await networks.getAttribute('aria-invalid')).toBe('true');
    const refused = page.waitForResponse((answer) => answer.url().endsWith('/leaked'));
    await dialog.getByRole('button', { name: 'Stop the key' }).click();
    expect((await refused).status()).toBe(400);
    await told.waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Active', { exact: true }).waitFor();
  });
});
