import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Dashboard, expectAccessible, takePicture } from '../support/browser/dashboard.js';
import { TEST_ADMIN } from '../support/server.js';

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await Dashboard.open();
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

describe('signing in', () => {
  it('leads to where one wanted to go', async () => {
    const visitor = await dashboard.visitor();
    visitor.expectComplaint(/401/);
    const page = await visitor.goTo('/org/default/sites?state=offline');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await expectAccessible(page);
    await takePicture(page, 'login');
    await page.getByLabel('E-mail address').fill(TEST_ADMIN.email);
    await page.getByLabel('Password', { exact: true }).fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Invalid e-mail address or password').waitFor();
    await page.getByLabel('Password', { exact: true }).fill(TEST_ADMIN.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Sites' }).waitFor();
    expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/org/default/sites?state=offline');
  });

  it('again, when the session ended, keeps what was typed', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/401/);
    const page = await visitor.goTo('/account');
    await page.getByLabel('New password').fill('half a password');
    await visitor.context.clearCookies();
    await page.getByRole('button', { name: 'Change password' }).click();
    const dialog = page.getByRole('dialog', { name: 'Sign in again' });
    await dialog.getByLabel('Password', { exact: true }).fill(TEST_ADMIN.password);
    await dialog.getByRole('button', { name: 'Sign in' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(await page.getByLabel('New password').inputValue()).toBe('half a password');
  });
});

describe('an instant', () => {
  it('is opened by the keyboard in both zones, and closed again, with the focus where it was', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo('/org/default/logs/audit');
    const instant = page.locator('tbody button:has(time)').first();
    await instant.waitFor();
    await page.waitForFunction('!document.querySelector("[aria-busy=true]")');
    const isFocused = () => instant.evaluate((element) => element === element.ownerDocument.activeElement);
    await instant.focus();
    for (const state of ['visible', 'hidden', 'visible'] as const) {
      await page.keyboard.press('Enter');
      const inUtc = page.getByText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/).first();
      await inUtc.waitFor({ state });
      expect(await isFocused()).toBe(true);
    }
    await expectAccessible(page);
  });
});
