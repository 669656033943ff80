import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Dashboard, expectAccessible, takePicture } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';
import { freePort, until } from '../support/server.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
let baseDomain: string;
let siteName: string;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
  ({ baseDomain } = await dashboard.root.expect<{ baseDomain: string }>(
    'GET',
    fixture.path(`domain/${fixture.domainId}`),
  ));
  ({ name: siteName } = await dashboard.root.expect<{ name: string }>('GET', `/site/${fixture.approved.siteId}`));
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

const at = (path: string): string => `/org/${fixture.orgId}/resources/${path}`;
const read = <T>(path: string): Promise<T> => dashboard.root.expect<T>('GET', path);

/** Puts a text of one line in place of what stands in a code editor. */
async function write(page: Page, label: string, text: string): Promise<void> {
  await page.getByLabel(label, { exact: true }).click();
  await page.keyboard.press('ControlOrMeta+A');
  // Chromium keeps the look of what is overwritten as an inline style, which the policy forbids, and says so.
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(text);
}

describe('a public resource', () => {
  it('is made with a target, and says what is wrong with it', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at('public'));
    await page.getByRole('link', { name: 'Create a public resource' }).first().click();
    await page.getByLabel('Name', { exact: true }).fill('Line 4 panel');
    await page.getByRole('combobox', { name: 'Domain' }).click();
    await page.getByRole('option').first().click();
    await page.getByLabel('Subdomain').fill('not a name');
    await page.getByRole('button', { name: 'Create the resource' }).click();
    await page.locator('[aria-invalid="true"]').waitFor();
    await page.getByLabel('Subdomain').fill('line-4');
    await page.getByRole('button', { name: 'Create the resource' }).click();
    await page.getByRole('heading', { name: 'Line 4 panel' }).waitFor();

    await page.getByRole('heading', { name: 'Line 4 panel' }).waitFor();
    await page.getByText('No targets yet').waitFor();
    await page.getByRole('button', { name: 'Add a target' }).click();
    const dialog = page.getByRole('dialog', { name: 'New target' });
    await dialog.getByRole('combobox', { name: 'Site' }).fill(siteName);
    await page.getByRole('option', { name: siteName }).click();
    await dialog.getByLabel('Port', { exact: true }).fill('8080');
    await expectAccessible(page, '[role="dialog"]');
    await dialog.getByRole('button', { name: 'Add a target' }).click();
    await page.getByRole('row').filter({ hasText: 'http://localhost:8080' }).getByText(siteName).waitFor();

    const { resources } = await read<{
      resources: { name: string; fullDomain: string; targets: { port: number }[] }[];
    }>(fixture.path('resources?query=Line%204'));
    expect(resources).toMatchObject([{ fullDomain: `line-4.${baseDomain}`, targets: [{ port: 8080 }] }]);
  });

  it('says that its port is taken, until it has another one', async () => {
    // The server itself holds it.
    const port = dashboard.server.port;
    const body = { name: 'Camera', http: false, protocol: 'tcp', proxyPort: port };
    const { resourceId } = await dashboard.root.expect<{ resourceId: number }>('PUT', fixture.path('resource'), body);
    await until(async () => (await read<{ portError: string | null }>(`/resource/${resourceId}`)).portError !== null);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at(`public/${resourceId}`));
    const told = page.getByRole('alert').filter({ hasText: 'Its port is not served' });
    await told.getByText(`The tcp port ${port} is in use by another program`).waitFor();
    await expectAccessible(page);
    await page.getByLabel('Port', { exact: true }).fill(String(await freePort()));
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await told.waitFor({ state: 'detached' });
  });

  it('edited by two people tells the second what the first has changed', async () => {
    const resourceId = await fixture.resource();
    const [one, other] = [await dashboard.signedIn(), await dashboard.signedIn()];
    one.expectComplaint(/412/);
    const mine = await one.goTo(at(`public/${resourceId}`));
    await mine.getByLabel('Host header for the targets').fill('panel.internal');
    const theirs = await other.goTo(at(`public/${resourceId}`));
    await theirs.getByLabel('Name', { exact: true }).fill('Renamed meanwhile');
    await theirs.getByRole('button', { name: 'Save' }).click();
    await theirs.getByRole('heading', { name: 'Renamed meanwhile' }).waitFor();

    // Without reloading: the head of the page is current, and what was typed is still there.
    await mine.getByRole('heading', { name: 'Renamed meanwhile' }).waitFor();
    expect(await mine.getByLabel('Host header for the targets').inputValue()).toBe('panel.internal');
    await mine.getByRole('button', { name: 'Save', exact: true }).click();
    const told = mine.getByRole('alert').filter({ hasText: 'Changed meanwhile' });
    const row = told.getByRole('row').filter({ hasText: 'Name' });
    await row.getByText('Renamed meanwhile', { exact: true }).waitFor();
    await expectAccessible(mine);
    await takePicture(mine, 'resources-changed-meanwhile');
    await told.getByRole('button', { name: 'Save mine anyway' }).click();
    await told.waitFor({ state: 'detached' });
    expect(await read(`/resource/${resourceId}`)).toMatchObject({
      name: 'Renamed meanwhile',
      setHostHeader: 'panel.internal',
    });
  });

  it('is protected, given rules, disabled with an undo, and deleted by its name', async () => {
    const resourceId = await fixture.resource();
    const { name } = await read<{ name: string }>(`/resource/${resourceId}`);
    const visitor = await dashboard.signedIn();
    // What tells of its end may come before its page is left.
    visitor.expectComplaint(/400|404/);
    const page = await visitor.goTo(at(`public/${resourceId}/authentication`));
    await page.getByRole('button', { name: 'Set: PIN' }).click();
    const dialog = page.getByRole('dialog', { name: 'PIN' });
    await dialog.getByLabel('New PIN').fill('12');
    await dialog.getByRole('button', { name: 'Set', exact: true }).click();
    await dialog.locator('[aria-invalid="true"]').waitFor();
    await dialog.getByLabel('New PIN').fill('123456');
    await dialog.getByRole('button', { name: 'Set', exact: true }).click();
    await page.getByRole('button', { name: 'Remove: PIN' }).waitFor();

    await page.getByRole('link', { name: 'Rules' }).click();
    await page.getByRole('button', { name: 'Add a rule' }).click();
    const rule = page.getByRole('dialog', { name: 'New rule' });
    await rule.getByLabel('Value', { exact: true }).fill('203.0.113.9');
    await rule.getByRole('button', { name: 'Add a rule' }).click();
    await page.getByRole('row').filter({ hasText: '203.0.113.9' }).getByText('Refuse').waitFor();

    await page.getByRole('button', { name: 'Disable' }).click();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('button', { name: 'Disable' }).waitFor();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    const confirm = page.getByRole('dialog', { name: `Delete ${name}` });
    await confirm.getByLabel(`Type ${name} to confirm`).fill(name);
    await confirm.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('heading', { name: 'Public resources' }).waitFor();
    expect((await dashboard.root.send('GET', `/resource/${resourceId}`)).status).toBe(404);
  });
});

describe('a private resource', () => {
  it('is made, and a role may use it', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('private/new'));
    await page.getByLabel('Name', { exact: true }).fill('Press controller');
    await page.getByRole('combobox', { name: 'Sites' }).fill(siteName);
    await page.getByRole('option', { name: siteName }).click();
    await page.getByLabel('Destination', { exact: true }).fill('10.20.30.40');
    await page.getByRole('button', { name: 'Create the resource' }).click();
    await page.getByRole('heading', { name: 'Press controller' }).waitFor();

    await page.getByRole('combobox', { name: 'Roles' }).click();
    await page.getByRole('option', { name: 'Member' }).click();
    await page.keyboard.press('Escape');
    await page.locator('form').filter({ hasText: 'Roles' }).getByRole('button', { name: 'Save' }).click();
    await page.getByText('Access was saved').waitFor();
    const { siteResources } = await read<{ siteResources: { siteResourceId: number }[] }>(
      fixture.path('site-resources?query=Press'),
    );
    expect(await read(`/site-resource/${siteResources[0]!.siteResourceId}/roles`)).toMatchObject({
      roles: expect.arrayContaining([expect.objectContaining({ name: 'Member' })]),
    });
  });
});

describe('a domain', () => {
  it('is registered, and shows the records that it needs', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('domains'));
    await page.getByRole('button', { name: 'Register a domain' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'Register a domain' });
    const name = fixture.domainName();
    await dialog.getByLabel('Domain', { exact: true }).fill(name);
    await dialog.getByRole('combobox', { name: 'Kind' }).click();
    await page.getByRole('option', { name: 'Single name (CNAME)' }).click();
    await dialog.getByRole('button', { name: 'Register a domain' }).click();
    await page.getByRole('heading', { name }).waitFor();
    await page.getByRole('table', { name: 'DNS records' }).getByText('CNAME').first().waitFor();
    await page.getByRole('button', { name: 'Verify again' }).click();
    await page.getByText(`${name} is being verified again`).waitFor();
  });
});

describe('a blueprint', () => {
  const documentOf = (key: string) =>
    JSON.stringify({
      'public-resources': {
        'from-blueprint': {
          name: 'From a blueprint',
          [key]: 'http',
          'full-domain': `from-blueprint.${baseDomain}`,
          targets: [{ site: fixture.approved.niceId, hostname: 'localhost', method: 'http', port: 8080 }],
        },
      },
    });

  it('with a typo is mended, planned and applied', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('blueprints/new'));
    await write(page, 'Blueprint', documentOf('mod'));
    // Said as one types, by the server's own rules, before anything is sent.
    await page.locator('.cm-lint-marker-error').waitFor();
    // A marker that is drawn anew beneath the pointer forgets that it is there.
    const told = page.locator('.cm-tooltip').getByText(/mod/).first();
    await until(async () => {
      await page.mouse.move(0, 0);
      await page.locator('.cm-lint-marker-error').hover();
      return told.waitFor({ timeout: 2_000 }).then(
        () => true,
        () => false,
      );
    });
    await write(page, 'Blueprint', documentOf('mode'));
    await page.locator('.cm-lint-marker-error').waitFor({ state: 'detached' });

    expect(await page.getByRole('button', { name: 'Apply' }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Plan' }).click();
    const plan = page.getByRole('status', { name: 'Plan' });
    await plan.getByText('from-blueprint', { exact: true }).first().waitFor();
    await expectAccessible(page);
    await takePicture(page, 'resources-blueprint-plan');
    await page.getByLabel('Name', { exact: true }).fill('Hall B');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByRole('heading', { name: 'Hall B' }).waitFor();
    await page.getByText('Applied', { exact: true }).waitFor();

    const { resources } = await read<{ resources: unknown[] }>(fixture.path('resources?query=blueprint'));
    expect(resources).toMatchObject([{ niceId: 'from-blueprint', name: 'From a blueprint' }]);
    // Planned again, it would change nothing.
    await page.getByRole('button', { name: 'Plan' }).click();
    await page.getByText('It would change nothing: everything is as it says.').waitFor();
  });

  it('that the server refuses says what is wrong with it', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at('blueprints/new'));
    await write(page, 'Blueprint', documentOf('mod'));
    await page.getByRole('button', { name: 'Plan' }).click();
    await page.getByRole('alert').filter({ hasText: 'What is wrong with it' }).getByText(/mod/).first().waitFor();
    expect(await page.getByRole('button', { name: 'Apply' }).isDisabled()).toBe(true);
  });
});
