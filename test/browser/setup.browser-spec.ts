import { afterEach, beforeEach, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { BareMachine } from '../support/bare-machine.js';
import { Dashboard, DESKTOP, expectAccessible, PHONE, takePicture } from '../support/browser/dashboard.js';
import { CSRF } from '../support/log-in.js';
import { until } from '../support/server.js';

let dashboard: Dashboard;
// Each has its own server: a link is good once.
beforeEach(async () => {
  dashboard = await Dashboard.open({ env: { ADMIN_PASSWORD: '' } });
});
afterEach(() => dashboard.settle().finally(() => dashboard.close()));

/** What the start of the server printed. */
const link = (): Promise<string> =>
  until(() => dashboard.server.logs.find((line) => line.startsWith(`${dashboard.server.url}/setup#token=`)));

it('leads from the link that the start prints to a first machine that is online, without reloading', async () => {
  const visitor = await dashboard.visitor();
  visitor.expectComplaint(/\b400\b/);
  const page = await visitor.goTo(await link());
  await page.getByRole('heading', { name: 'Set up Gatehouse' }).waitFor();
  await expectAccessible(page);
  await takePicture(page, 'setup-you');

  // What is refused stands at its field, and the link is still good.
  await page.getByLabel('E-mail address').fill('operator@example.com');
  await page.getByLabel('Password', { exact: true }).fill('short');
  await page.getByLabel('Name of the organization').fill('Northwind Instruments');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText(/must have 8 to 72 bytes|8 to 72/i).waitFor();
  await page.getByLabel('Password', { exact: true }).fill('a password of the set-up');
  await page.getByRole('button', { name: 'Continue' }).click();

  await page.getByRole('heading', { name: 'Your first key' }).waitFor();
  expect(page.url()).not.toContain('token');
  // A reload goes on where one was.
  await page.reload();
  await page.getByRole('heading', { name: 'Your first key' }).waitFor();
  await page.evaluate('window.sameDocument = true');
  await expectAccessible(page);
  await takePicture(page, 'setup-key');
  await page.getByRole('button', { name: 'Create the key' }).click();

  await page.getByText('Waiting for your first machine').waitFor();
  await expectAccessible(page);
  await takePicture(page, 'setup-machine');
  const line = await page.getByRole('region', { name: 'To be run in a shell' }).first().textContent();
  const machine = new BareMachine();
  try {
    const program = machine.shell(line!);
    const online = page.getByRole('status').getByText('is online').waitFor();
    await Promise.race([online, program.ended.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
    expect(await page.evaluate('window.sameDocument')).toBe(true);
    await takePicture(page, 'setup-online');
    await page.getByRole('link', { name: 'To the dashboard' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.getByRole('button', { name: /Northwind Instruments/ }).waitFor();
  } finally {
    await machine.remove();
  }
});

it('is told by a link that was used that it is good no more', async () => {
  const token = new URL(await link()).hash.replace('#token=', '');
  const somebody = { email: 'first@example.com', password: 'a password of the set-up', organizationName: 'First' };
  await new Api(dashboard.server.url, undefined, CSRF).expect('POST', '/setup', { token, ...somebody });
  for (const [name, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    const visitor = await dashboard.visitor({ viewport });
    visitor.expectComplaint(/\b404\b/);
    const page = await visitor.goTo(await link());
    await page.getByLabel('E-mail address').fill('somebody@example.com');
    await page.getByLabel('Password', { exact: true }).fill('another password');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('This link is not good any more').waitFor();
    await expectAccessible(page);
    await takePicture(page, `setup-used-${name}`);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  }
});
