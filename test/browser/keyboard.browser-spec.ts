import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { newNonce, provision } from '../support/api.js';
import { Dashboard } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';
import { until } from '../support/server.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

const MAX_STOPS = 150;
/** What a screen reader would call it. */
const FOCUSED = `(() => {
  const at = document.activeElement;
  return (at.getAttribute('aria-label') ?? at.labels?.[0]?.innerText ?? at.innerText ?? '').trim();
})()`;
/** Whether one sees that it has the focus: it looks other than its like beside it, which has none. */
const IS_SEEN = `(() => {
  const at = document.activeElement;
  const lookOf = (one) => {
    const { outlineStyle, outlineWidth, borderColor, boxShadow } = getComputedStyle(one);
    return [outlineStyle === 'none' ? '' : outlineWidth, borderColor, boxShadow].join();
  };
  const like = at.cloneNode(true);
  at.after(like);
  const isSeen = lookOf(at) !== lookOf(like);
  like.remove();
  return isSeen;
})()`;

/** Presses Tab until what is named has the focus, as somebody without a mouse would. */
async function tabTo(page: Page, name: string | RegExp): Promise<void> {
  const passed: string[] = [];
  for (let stop = 0; stop < MAX_STOPS; stop++) {
    const label = await page.evaluate<string>(FOCUSED);
    if (typeof name === 'string' ? label === name : name.test(label)) {
      // A border may take a moment to have its colour.
      await until(() => page.evaluate<boolean>(IS_SEEN));
      return;
    }
    passed.push(label);
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab never reaches ${name}; it passes ${passed.join(' | ')}`);
}

async function press(page: Page, name: string | RegExp): Promise<void> {
  await tabTo(page, name);
  await page.keyboard.press('Enter');
}

it('creates a key, approves what comes with it, and revokes it, by keyboard alone', async () => {
  const visitor = await dashboard.signedIn();
  const page = await visitor.goTo(fixture.path('provisioning/keys'));
  await page.getByRole('heading', { name: 'Provisioning keys' }).waitFor();
  await press(page, 'Create a key');
  await tabTo(page, /^Name/);
  await page.keyboard.type('By keyboard');
  await press(page, 'Create the key');
  const key = (await page.getByLabel('Provisioning key', { exact: true }).textContent())!;
  await tabTo(page, 'Copy the key');

  await provision(dashboard.server.url, {
    provision_key: key,
    device_name: 'Typed one',
    hardware_id: 'typed-1',
    claim_nonce: newNonce(),
  });
  await press(page, /^Pending sites/);
  await page.getByRole('button', { name: 'Approve Typed one' }).waitFor();
  await press(page, 'Approve Typed one');
  await page.getByText('1 approved').waitFor();

  await press(page, 'Provisioning keys');
  await page.getByRole('link', { name: 'By keyboard' }).waitFor();
  await press(page, 'By keyboard');
  await page.getByRole('heading', { name: 'By keyboard' }).waitFor();
  await press(page, 'More actions');
  await page.getByRole('menuitem', { name: 'Revoke' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Revoke By keyboard' }).waitFor();
  await tabTo(page, /^Type By keyboard to confirm/);
  await page.keyboard.type('By keyboard');
  await page.keyboard.press('Enter');
  await page.getByText('Revoked', { exact: true }).first().waitFor();
  expect((await provision(dashboard.server.url, { provision_key: key, hardware_id: 'typed-2' })).status).toBe(403);
});
