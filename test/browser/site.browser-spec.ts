import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Agents } from '../support/browser/agents.js';
import { Dashboard, expectAccessible, PHONE } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';
import { until } from '../support/server.js';

interface Site {
  siteId: number;
  niceId: string;
  name: string;
  hardwareId: string;
  state: string;
}

let dashboard: Dashboard;
let fixture: FixtureOrg;
let agents: Agents;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
  agents = new Agents(dashboard.server.url);
});
afterEach(async () => {
  await agents.stopAll();
  await dashboard.settle();
});
afterAll(async () => {
  await agents?.close();
  await dashboard?.close();
});

const at = (path: string): string => `/org/${fixture.orgId}/sites/${path}`;
const read = (siteId: number) => dashboard.root.expect<Site>('GET', `/site/${siteId}`);

/** A real agent whose session is open. */
async function agent(hardwareId: string, name: string) {
  const program = agents.start(fixture.key.siteProvisioningKey, hardwareId, name);
  const { siteId } = await until(async () => {
    const { sites } = await dashboard.root.expect<{ sites: Site[] }>(
      'GET',
      fixture.path(`sites?hardwareId=${hardwareId}`),
    );
    return sites[0]?.state === 'online' && sites[0];
  });
  return { program, siteId };
}

describe('a site', () => {
  it('says why it is offline, and since when, when its agent has gone', async () => {
    const { program, siteId } = await agent('oven-1', 'Oven 1');
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at(`${siteId}`));
    await page.getByText(/^Online.*, with agent /).waitFor();
    await page.getByText('Enrolled with').waitFor();
    await agents.stop(program);
    await page.getByText(/^Offline for .*: closed by its agent; nothing refused since\.$/).waitFor();
    const cause = page.getByRole('alert').filter({ hasText: 'Failed: Connection' });
    await cause.getByText('Next step').waitFor();
    await cause.getByRole('link', { name: 'All checks' }).click();
    const checks = page.getByRole('list', { name: 'Checks, in the order of causes' });
    await checks.locator('[aria-current="true"]').getByText('Connection', { exact: true }).waitFor();
    await checks.getByText('Enrolment', { exact: true }).waitFor();
    const tabs = page.getByRole('navigation', { name: 'Oven 1' });
    await tabs.getByRole('link', { name: 'Sessions' }).click();
    await page.getByRole('row').filter({ hasText: 'closed by its agent' }).first().waitFor();
    await tabs.getByRole('link', { name: 'Events' }).click();
    await page.getByRole('cell', { name: 'site.offline' }).first().waitFor();
  });

  it('is found by its nice id, on the same tab', async () => {
    const { siteId, niceId } = await read(fixture.approved.siteId);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at(`${niceId}/settings`));
    await page.waitForURL(new RegExp(`/sites/${siteId}/settings$`));
  });

  it('is suspended at once, with an undo, and revoked by its name', async () => {
    const { siteId } = await fixture.site('approved');
    const { name } = await read(siteId);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at(`${siteId}/settings`));
    const main = page.getByRole('main');
    await main.getByRole('button', { name: 'Suspend' }).last().click();
    await page.getByText(`${name} is suspended`).waitFor();
    expect((await read(siteId)).state).toBe('suspended');
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByText(`${name} may connect again`).waitFor();
    expect((await read(siteId)).state).toBe('never_connected');
    await main.getByRole('button', { name: 'Revoke' }).click();
    const dialog = page.getByRole('dialog', { name: `Revoke ${name}` });
    await dialog.getByLabel(`Type ${name} to confirm`).fill(name);
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await page.getByText('Revoked: its credential is gone for good.').waitFor();
    expect(await main.getByRole('button', { name: 'Revoke' }).count()).toBe(0);
  });

  it('is deleted by its name, and the list shows it no more', async () => {
    const { siteId } = await fixture.site('approved');
    const { name } = await read(siteId);
    const visitor = await dashboard.signedIn();
    // What it reads while it goes is not there any more.
    visitor.expectComplaint(/404/);
    const page = await visitor.goTo(at(`${siteId}/settings`));
    await page.getByRole('button', { name: 'Delete' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(`Type ${name} to confirm`).fill(name);
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('heading', { level: 1, name: 'Sites' }).waitFor();
    await page.getByText(`${name} is deleted`).waitFor();
    expect((await dashboard.root.get(`/site/${siteId}`)).status).toBe(404);
  });

  it('tells who saves what was changed meanwhile, and loses nothing that was typed', async () => {
    const { siteId } = await fixture.site('approved');
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/412/);
    const page = await visitor.goTo(at(`${siteId}/settings`));
    await page.getByLabel('Name', { exact: true }).fill('Mine');
    await dashboard.root.expect('POST', `/site/${siteId}`, {
      description: 'In the yard since Monday',
      labels: { hall: 'c' },
    });
    await page.getByRole('button', { name: 'Save' }).click();
    const told = page.getByRole('alert').filter({ hasText: 'Changed meanwhile' });
    await told.getByRole('row', { name: /Description.*In the yard since Monday/ }).waitFor();
    await told.getByRole('row', { name: /Labels.*hall=c/ }).waitFor();
    expect(await told.getByRole('row', { name: /^Name/ }).count()).toBe(0);
    await expectAccessible(page);
    await told.getByRole('button', { name: 'Save mine anyway' }).click();
    await page.getByText('Mine saved').waitFor();
    expect(await read(siteId)).toMatchObject({
      name: 'Mine',
      description: 'In the yard since Monday',
      labels: { hall: 'c' },
    });
  });

  it('is described on a phone too', async () => {
    const { siteId } = await fixture.site('approved');
    const visitor = await dashboard.signedIn(undefined, { viewport: PHONE });
    const page = await visitor.goTo(at(`${siteId}`));
    await page.getByRole('link', { name: 'Edit', exact: true }).click();
    await page.getByLabel('Description').fill('Behind the second door');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText(/ saved$/).waitFor();
    expect(await read(siteId)).toMatchObject({ description: 'Behind the second door' });
  });

  it('says at its field what is wrong', async () => {
    const { siteId } = await fixture.site('approved');
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at(`${siteId}/settings`));
    await page.getByLabel('Name', { exact: true }).fill('');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByLabel('Name', { exact: true }).and(page.locator('[aria-invalid="true"]')).waitFor();
  });
});

describe('another device', () => {
  it('that has enrolled goes on as the site', async () => {
    const old = await agent('conveyor-old', 'Conveyor 3');
    const other = await agent('conveyor-new', 'Spare');
    await agents.stop(old.program);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at(`${old.siteId}`));
    await page.getByRole('link', { name: 'Replace the device' }).click();
    await page.getByText('its address, resources, and who may use them').waitFor();
    await page.getByRole('button', { name: 'Replace now' }).click();
    await page.getByText('Choose the site of the other device').waitFor();
    await page.getByRole('combobox', { name: 'Site of the other device' }).fill('Spare');
    await page.getByRole('option', { name: 'Spare' }).click();
    await page.getByRole('button', { name: 'Replace now' }).click();
    const dialog = page.getByRole('dialog', { name: 'Replace the device of Conveyor 3' });
    await dialog.getByLabel('Type Conveyor 3 to confirm').fill('Conveyor 3');
    await expectAccessible(page, '[role="dialog"]');
    await dialog.getByRole('button', { name: 'Replace' }).click();
    await page.getByText('Conveyor 3 has its new device').waitFor();
    // Its program connects again, as what it is now.
    await page.getByText(/^Online.*, with agent /).waitFor();
    await page.getByRole('button', { name: 'Copy Hardware id conveyor-new' }).waitFor();
    expect((await dashboard.root.get(`/site/${other.siteId}`)).status).toBe(404);
    expect(other.program.child.exitCode).toBeNull();
  });

  it('that is to enrol takes the site over with its first claim', async () => {
    const old = await agent('mixer-old', 'Mixer');
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at(`${old.siteId}/replace`));
    await page.getByText('One that is to enrol').click();
    await page.getByLabel('Hardware id of the other device').fill('mixer-new');
    await page.getByRole('button', { name: 'Wait for it' }).click();
    await page.getByText('The next claim of mixer-new becomes this site.').waitFor();
    await expectAccessible(page);
    agents.start(fixture.key.siteProvisioningKey, 'mixer-new', 'Another mixer');
    await page.getByRole('navigation', { name: 'Mixer' }).getByRole('link', { name: 'Overview' }).click();
    await page.getByRole('button', { name: 'Copy Hardware id mixer-new' }).waitFor();
    await page.getByRole('heading', { level: 1, name: 'Mixer' }).waitFor();
    await page.getByText(/^Online.*, with agent /).waitFor();
    await page.getByText('It waits for another device').waitFor({ state: 'hidden' });
  });

  it('that is waited for is on the page of the site and in Pending, whoever prepared it, until that is withdrawn', async () => {
    const { siteId } = await fixture.site('approved');
    const { name } = await read(siteId);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at(`${siteId}`));
    const told = page.getByRole('status').filter({ hasText: 'It waits for another device' });
    await page.getByRole('heading', { level: 1, name }).waitFor();
    expect(await told.count()).toBe(0);
    const prepare = (hardwareId: string) =>
      dashboard.root.expect('POST', `/site/${siteId}/replace`, { hardwareId, expiresInSeconds: 7200 });
    // The page is open meanwhile.
    await prepare('grinder-new');
    await told.getByText('The next claim of grinder-new becomes this site.').waitFor();
    const { replacements } = await dashboard.root.expect<{ replacements: { askedBy: string }[] }>(
      'GET',
      fixture.path(`site-replacements?siteId=${siteId}`),
    );
    await told.getByText(`Prepared by ${replacements[0]!.askedBy},`).waitFor();
    await told.getByText('Waited for until').waitFor();
    await expectAccessible(page);
    await told.getByRole('button', { name: 'Withdraw' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Withdraw' }).click();
    await page.getByText(`${name} waits for no other device`).waitFor();
    await told.waitFor({ state: 'hidden' });
    await page.goto(`/org/${fixture.orgId}/provisioning/pending`);
    await page.getByRole('link', { name: 'Waiting for another device' }).click();
    await page.getByRole('heading', { name: 'No site waits for another device' }).waitFor();
    await prepare('grinder-newest');
    const row = page.getByRole('row').filter({ hasText: 'grinder-newest' });
    await row.getByRole('link', { name }).waitFor();
    await expectAccessible(page);
    await row.getByRole('button', { name: `Withdraw the replacement of ${name}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Withdraw' }).click();
    await page.getByRole('heading', { name: 'No site waits for another device' }).waitFor();
    expect((await dashboard.root.delete(`/site/${siteId}/replace`)).status).toBe(404);
  });
});
