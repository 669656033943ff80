import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newNonce, provision, type TestKey } from '../support/api.js';
import { Dashboard, DESKTOP, expectAccessible, PHONE, takePicture } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';
import { TEST_ADMIN } from '../support/server.js';

const EXPECTED = 250;
const unit = (number: number): string => `unit-${String(number).padStart(3, '0')}`;
/** Of the delivery note these do not come: one is at home, one came by another key, one is blocked. */
const NEVER = unit(7);
const ELSEWHERE = unit(100);
const BLOCKED = unit(250);
const MISTYPED = 'unit-O12';

let dashboard: Dashboard;
let fixture: FixtureOrg;
let key: TestKey;
const ids = Array.from({ length: EXPECTED }, (_, index) => unit(index + 1));

const claim = async (by: TestKey, hardware_id: string) =>
  (
    await provision(dashboard.server.url, {
      provision_key: by.siteProvisioningKey,
      device_name: hardware_id,
      hardware_id,
      claim_nonce: newNonce(),
    })
  ).status;

beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
  key = await fixture.provisioningKey({ name: 'Delivery 4711', maxBatchSize: EXPECTED, approveNewSites: false });
  const coming = ids.filter((id) => ![NEVER, ELSEWHERE, BLOCKED].includes(id));
  while (coming.length > 0) {
    const statuses = await Promise.all(coming.splice(0, 25).map((id) => claim(key, id)));
    expect(new Set(statuses)).toEqual(new Set([201]));
  }
  expect(await claim(fixture.key, ELSEWHERE)).toBe(201);
  expect(await claim(fixture.pendingKey, BLOCKED)).toBe(201);
  const { sites } = await dashboard.root.expect<{ sites: { siteId: number }[] }>(
    'GET',
    fixture.path(`sites?hardwareId=${BLOCKED}`),
  );
  await dashboard.root.expect('DELETE', `/site/${sites[0]!.siteId}`);
  expect(await claim(key, BLOCKED)).toBe(403);
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

describe('a rollout of 250', () => {
  it('says which three are missing, and why', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(`/org/${fixture.orgId}/provisioning/keys/${key.siteProvisioningKeyId}`);
    await page.getByRole('button', { name: 'Expected machines' }).click();
    const dialog = page.getByRole('dialog', { name: 'Expected machines' });
    await dialog.locator('input[type="file"]').setInputFiles({
      name: 'delivery-note.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from(ids.join('\r\n')),
    });
    await dialog.getByText('250 hardware ids').waitFor();
    await dialog.getByRole('button', { name: 'Look them up' }).click();
    await dialog.getByText('Enrolled 247').waitFor();
    await dialog.getByText('Never seen 1').click();
    await dialog.getByRole('row').filter({ hasText: NEVER }).waitFor();
    await expectAccessible(page, '[role="dialog"]');
    await takePicture(page, 'rollout-look-up');
    await dialog.getByRole('button', { name: 'Keep with the key' }).click();

    await page.getByRole('heading', { name: 'Missing: 3' }).waitFor();
    const missing = page.getByRole('table', { name: 'Missing: 3' });
    const row = (id: string) => missing.getByRole('row').filter({ hasText: id });
    await row(NEVER).getByText('Never seen').waitFor();
    await row(ELSEWHERE).getByText('Came by another key').waitFor();
    await row(BLOCKED).getByText('Unblock its hardware id').waitFor();
    // Perhaps one of them under an id that somebody mistyped.
    expect(await claim(key, MISTYPED)).toBe(201);
    await page.getByText('One has come that is not on the list:').waitFor();
    await page.getByRole('link', { name: MISTYPED }).waitFor();
    await page.getByRole('heading', { name: 'Refused, by reason' }).waitFor();
    await page.getByRole('heading', { name: 'Arrivals per hour' }).waitFor();

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Whole list as CSV' }).click(),
    ]);
    const lines = (await readFile(await download.path(), 'utf8')).trim().split('\r\n');
    expect(lines).toHaveLength(EXPECTED + 1);
    expect(lines.find((line) => line.startsWith(NEVER))).toContain('Never seen');

    // One of them comes while one looks.
    expect(await claim(key, NEVER)).toBe(201);
    await page.getByRole('heading', { name: 'Missing: 2' }).waitFor();
  });

  it.each(['light', 'dark'] as const)('is accessible, on a desk and on a phone, %s', async (colorScheme) => {
    for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      const visitor = await dashboard.signedIn(TEST_ADMIN, { colorScheme, viewport });
      const page = await visitor.goTo(`/org/${fixture.orgId}/provisioning/keys/${key.siteProvisioningKeyId}`);
      await page.getByRole('heading', { name: 'Arrivals per hour' }).waitFor();
      await page.locator('.recharts-surface').first().waitFor();
      await page.waitForLoadState('networkidle');
      await expectAccessible(page);
      await takePicture(page, `rollout-${colorScheme}-${device}`);
    }
  });
});
