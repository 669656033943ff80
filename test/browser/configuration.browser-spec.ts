import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Dashboard, expectAccessible, takePicture } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';
import { secretValue } from '../support/secret-values.js';
import { holds, nameIn, versionId } from '../support/secrets.js';
import { until } from '../support/server.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
let siteName: string;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
  ({ name: siteName } = await dashboard.root.expect<{ name: string }>('GET', `/site/${fixture.approved.siteId}`));
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

const at = (path: string): string => `/org/${fixture.orgId}/configuration/${path}`;

async function write(page: Page, label: string, text: string): Promise<void> {
  await page.getByLabel(label, { exact: true }).click();
  await page.keyboard.press('ControlOrMeta+A');
  // Chromium keeps the look of what is overwritten as an inline style, which the policy forbids, and says so.
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(text);
}

/** A secret that a profile names, and whose first version the approved site runs with. */
async function secretInUse(): Promise<string> {
  const name = fixture.secretName();
  await dashboard.root.expect('PUT', fixture.path('secret'), { name, value: secretValue('first') });
  const profileId = await fixture.profile();
  await nameIn(fixture, fixture.orgId, profileId, [name], 1);
  await dashboard.root.expect('POST', `/site/${fixture.approved.siteId}`, { profileId });
  await holds(fixture, fixture.orgId, fixture.approved.siteId, [await versionId(fixture, fixture.orgId, name, 1)]);
  return name;
}

describe('a secret', () => {
  it('is created, and says what is wrong with it', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at('secrets'));
    await page.getByRole('button', { name: 'Create a secret' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'New secret' });
    await dialog.getByLabel('Name', { exact: true }).fill('db password');
    await dialog.getByLabel('Value', { exact: true }).fill(secretValue('typed'));
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.locator('[aria-invalid="true"]').waitFor();
    await expectAccessible(page, '[role="dialog"]');
    await dialog.getByLabel('Name', { exact: true }).fill('DB_PASSWORD');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { name: 'DB_PASSWORD' }).waitFor();
    await page.getByText('Version 1. No site uses it.').waitFor();
    // What was typed is nowhere on the page that shows the secret.
    expect(await page.content()).not.toContain(secretValue('typed'));
  });

  it('is rotated, shows who still uses the old one, and that nobody does any more', async () => {
    const name = await secretInUse();
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at(`secrets/${name}`));
    await page.getByText('Version 1, used by one site.').waitFor();
    await page.getByRole('button', { name: 'Rotate' }).click();
    const dialog = page.getByRole('dialog', { name: `Rotate ${name}` });
    await dialog.getByLabel('New value').fill(secretValue('second'));
    await dialog.getByRole('button', { name: 'Rotate' }).click();
    await page.getByText(`${name} has version 2 now`).waitFor();
    await page.getByRole('heading', { name: 'Still using the old one: 1' }).waitFor();
    await page.getByRole('table', { name: 'Still using the old one' }).getByText(siteName).waitFor();
    await expectAccessible(page);
    await takePicture(page, 'configuration-secret-drain');

    await holds(fixture, fixture.orgId, fixture.approved.siteId, [await versionId(fixture, fixture.orgId, name, 2)]);
    await page.reload();
    await page.getByText('Every site that uses it runs with the current version.').waitFor();
    await page.getByRole('button', { name: 'Destroy version 1' }).click();
    const confirm = page.getByRole('dialog', { name: `Destroy version 1 of ${name}` });
    await confirm.getByLabel(`Type ${name} to confirm`).fill(name);
    await confirm.getByRole('button', { name: 'Destroy' }).click();
    await page.getByText('Destroyed', { exact: true }).waitFor();
  });

  it('that is in use tells its users before it is deleted', async () => {
    const name = await secretInUse();
    const visitor = await dashboard.signedIn();
    // The event of the deletion may be there before its page is left.
    visitor.expectComplaint(/404/);
    const page = await visitor.goTo(at(`secrets/${name}`));
    await page.getByRole('button', { name: 'Delete' }).click();
    const dialog = page.getByRole('dialog', { name: `Delete ${name}` });
    await dialog.getByText(siteName).waitFor();
    await dialog.getByRole('button', { name: 'Rotate it instead' }).waitFor();
    await dialog.getByLabel(`Type ${name} to confirm`).fill(name);
    await dialog.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('heading', { name: 'Secrets' }).waitFor();
    expect((await dashboard.root.send('GET', fixture.path(`secret/${name}`))).status).toBe(404);
  });
});

describe('start-up bundles', () => {
  it('show what failed first, and are sent again', async () => {
    await secretInUse();
    await fixture.sql(`UPDATE site_bundle SET state = 'failed', reason = 'exit 3 before ready' WHERE site_id = $1`, [
      fixture.approved.siteId,
    ]);
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('bundles'));
    await page.getByRole('heading', { name: 'Failed: 1' }).waitFor();
    await page
      .getByText(/exit 3 before ready/)
      .first()
      .waitFor();
    await page
      .getByRole('button', { name: `Send again: the bundle of ${siteName}` })
      .first()
      .click();
    await page.getByText(`${siteName} is offered its bundle again`).waitFor();
    await page.getByRole('heading', { name: 'Failed: 1' }).waitFor({ state: 'detached' });
  });
});

describe('a start-up document', () => {
  const document = (grace: number | string) => JSON.stringify({ run: { stopGraceSeconds: grace } });

  it('is written, run dry, saved, and gone back from', async () => {
    const profileId = await fixture.profile();
    const visitor = await dashboard.signedIn();
    // That there is no document yet is what the API says by 404.
    visitor.expectComplaint(/404/);
    const page = await visitor.goTo(at(`start-up/${profileId}`));
    await page.getByText('This profile has no start-up document').waitFor();
    // What is typed in the moment in which the editor appears may go unlooked at, until something else is typed.
    const marker = page.locator('.cm-lint-marker-error');
    await until(async () => {
      await write(page, 'Start-up document', document('soon'));
      return marker.waitFor({ timeout: 5_000 }).then(
        () => true,
        () => false,
      );
    });
    await write(page, 'Start-up document', document(5));
    await marker.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Dry run' }).click();
    await page.getByText('It reaches 0 sites.').waitFor();
    await page.getByRole('button', { name: 'Save and roll out' }).click();
    await page.getByText('Revision 1 was saved').waitFor();

    await write(page, 'Start-up document', document(30));
    await page.getByRole('button', { name: 'Save and roll out' }).click();
    await page.getByText('Revision 2 was saved').waitFor();
    await page.getByRole('button', { name: 'Show revision 1' }).click();
    const dialog = page.getByRole('dialog', { name: 'Go back to revision 1' });
    await expectAccessible(page, '[role="dialog"]');
    await dialog.getByRole('button', { name: 'Go back to it' }).click();
    await page.getByText('Revision 3 was saved').waitFor();
    const now = await dashboard.root.expect<{ document: string; revision: number }>(
      'GET',
      fixture.path(`provisioning-profile/${profileId}/bootstrap`),
    );
    expect(now).toMatchObject({ revision: 3, document: document(5) });
  });

  it('edited by two people tells the second what it has become', async () => {
    const profileId = await fixture.profile();
    const path = fixture.path(`provisioning-profile/${profileId}/bootstrap`);
    await dashboard.root.expect('PUT', path, { document: document(1) });
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/412/);
    const page = await visitor.goTo(at(`start-up/${profileId}`));
    await page.getByText('Revision 1 is rolled out.').waitFor();
    await write(page, 'Start-up document', document(2));
    await dashboard.root.expect('PUT', path, { document: document(3) });
    await page.getByRole('button', { name: 'Save and roll out' }).click();
    const told = page.getByRole('alert').filter({ hasText: 'Changed meanwhile' });
    await told.getByRole('row').filter({ hasText: 'Revision' }).getByText('2', { exact: true }).waitFor();
    await page.getByRole('heading', { name: 'What the document has become meanwhile' }).waitFor();
    await told.getByRole('button', { name: 'Discard mine' }).click();
    await told.waitFor({ state: 'detached' });
    await page.getByLabel('Start-up document', { exact: true }).getByText('3').waitFor();
  });
});

describe('a rotation', () => {
  it('is listed, and cancelled on its page', async () => {
    const name = await secretInUse();
    await dashboard.root.expect('POST', fixture.path(`secret/${name}/version`), { value: secretValue('next') });
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('rotations'));
    await page.getByRole('link', { name: `${name}, version 2` }).click();
    await page.getByRole('heading', { name: /^Rotation \d+$/ }).waitFor();
    await page.getByRole('button', { name: 'Cancel it' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel it' }).click();
    await page.getByText('Cancelled', { exact: true }).waitFor();
    expect(await page.getByRole('button', { name: 'Resume' }).count()).toBe(0);
  });
});
