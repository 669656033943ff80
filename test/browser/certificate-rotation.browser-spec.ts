// What an operator sees of docs/credentials.md §3 where sites have certificates.
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { TestOrg } from '../support/api.js';
import { Agents } from '../support/browser/agents.js';
import { Dashboard, expectAccessible, takePicture } from '../support/browser/dashboard.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startTlsServer, type TlsServer } from '../support/device-tls.js';
import { until } from '../support/server.js';

let database: TestDatabase;
let dashboard: Dashboard;
/** Where certificates are shown; another process on the same database. */
let tls: TlsServer;
let certified: Agents;
let others: Agents;
let org: TestOrg;
beforeAll(async () => {
  database = await createTestDatabase();
  dashboard = await Dashboard.open({ databaseUrl: database.url });
  tls = await startTlsServer({ databaseUrl: database.url });
  certified = new Agents(`https://127.0.0.1:${tls.devicePort}`);
  others = new Agents(dashboard.server.url);
  org = await TestOrg.create(dashboard.root);
});
afterEach(() => dashboard.settle());
afterAll(async () => {
  await certified?.close();
  await others?.close();
  await tls?.stop();
  await dashboard?.close();
  await database?.drop();
});

const isOnline = async (name: string): Promise<number | false> => {
  const site = (await org.sites()).sites.find((one) => one.name === name);
  return site?.online === true && site.siteId;
};
const siteOf = (name: string) => until(() => isOnline(name));

/** The credentials of a site as its page lists them, by what each is. */
async function listed(page: Page, siteId: number): Promise<string[][]> {
  await page.goto(`/org/${org.orgId}/sites/${siteId}/configuration`);
  const rows = page.getByRole('table', { name: 'Credentials' }).locator('tbody tr');
  await rows.first().waitFor();
  const cells = await Promise.all((await rows.all()).map((row) => row.locator('td').allInnerTexts()));
  return cells.map(([kind, stage, status, publicId]) => [kind!, stage!, status!, publicId!.trim()]);
}

it('certificates are rotated from the page, also of a machine that is away until later', async () => {
  const key = (await org.keyUnder({ credentialType: 'certificate' })).siteProvisioningKey;
  const start = (hardwareId: string, name: string) =>
    certified.start(key, hardwareId, name, ['--credential', 'certificate', '--tls-client-ca', tls.certFile]);
  start('pump-1', 'Pump 1');
  const away = start('pump-2', 'Pump 2');
  // Its credential is of another kind, and stays.
  others.start((await org.key()).siteProvisioningKey, 'gate-1', 'Gate 1');
  const [here, later, other] = [await siteOf('Pump 1'), await siteOf('Pump 2'), await siteOf('Gate 1')];
  const [before, beforeLater] = [certified.certificate('pump-1'), certified.certificate('pump-2')];
  await certified.stop(away);
  await until(async () => !(await isOnline('Pump 2')));

  const visitor = await dashboard.signedIn();
  const page = await visitor.goTo(`/org/${org.orgId}/configuration/rotations`);
  await page.getByRole('link', { name: 'Credentials', exact: true }).click();
  await page.getByRole('button', { name: 'Rotate credentials' }).click();
  const dialog = page.getByRole('dialog', { name: 'Rotate credentials' });
  await dialog.getByRole('combobox', { name: 'Kind of credential' }).click();
  await page.getByRole('option', { name: 'Certificate' }).click();
  await dialog.getByText('At most 3 sites take another credential.').waitFor();
  await dialog.getByLabel(/^Sites per minute/).fill('600');
  await dialog.getByRole('combobox', { name: 'The old one still works for' }).click();
  await page.getByRole('option', { name: 'a day' }).click();
  await dialog.getByRole('button', { name: 'Begin' }).click();

  await page.evaluate('window.sameDocument = true');
  await page.getByText('Still using the old one: 1 of 2.').waitFor();
  await page.getByText('One takes it when it connects or renews.').waitFor();
  await page
    .getByRole('row')
    .filter({ hasText: `Site ${here}` })
    .getByText('Uses the next one')
    .waitFor();
  await expectAccessible(page);
  await takePicture(page, 'rotation-of-certificates');
  start('pump-2', 'Pump 2');
  await page.getByText('Every site has used its next credential.').waitFor();
  await page.getByText('Finished').waitFor();
  expect(await page.evaluate('window.sameDocument')).toBe(true);

  for (const [machine, siteId, old] of [
    ['pump-1', here, before],
    ['pump-2', later, beforeLater],
  ] as const) {
    const now = certified.certificate(machine);
    expect(now).not.toBe(old);
    expect(await listed(page, siteId)).toEqual([
      ['Certificate', 'Current', 'Usable', now],
      ['Certificate', 'Previous', 'Usable', old],
    ]);
  }
  expect(await listed(page, other)).toEqual([['Newt secret', 'Current', 'Usable', expect.any(String)]]);
});
