import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { Dashboard, expectAccessible, takePicture } from '../support/browser/dashboard.js';
import { FixtureOrg, PASSWORD } from '../support/fixture-org.js';
import { until } from '../support/server.js';
import { TestMailServer } from '../support/smtp.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
let mail: TestMailServer;
beforeAll(async () => {
  mail = await TestMailServer.start();
  dashboard = await Dashboard.open({ env: { SMTP_URL: mail.url, MAIL_FROM: 'Gatehouse <gate@example.com>' } });
  fixture = await FixtureOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(async () => {
  await dashboard?.close();
  await mail?.stop();
});

const at = (path: string): string => `/org/${fixture.orgId}/${path}`;
const refused = (page: Page, label: string) =>
  page.getByLabel(label, { exact: true }).and(page.locator('[aria-invalid="true"]'));

/** Chooses one of a list that opens below a field. */
async function choose(page: Page, label: string, option: string): Promise<void> {
  await page.getByLabel(label, { exact: true }).and(page.locator('input')).click();
  await page.getByRole('option', { name: option, exact: true }).click();
  // Away from it, so that its list covers nothing.
  await page.keyboard.press('Tab');
}

/** The link of the newest mail to somebody, as an address of the server of the test. */
async function mailedLink(to: string, path: string): Promise<string> {
  const { text } = await until(() => mail.mails.findLast((one) => one.to.includes(to)));
  const [link] = new RegExp(`https?://\\S+${path}\\S*`).exec(text)!;
  const { pathname, search, hash } = new URL(link);
  return pathname + search + hash;
}

describe('somebody who is invited to a role with one action', () => {
  const email = 'auditor@example.com';

  it('gets a mail, accepts on its page, and sees what that action shows, and nothing else', async () => {
    const admin = await dashboard.signedIn();
    const page = await admin.goTo(at('access/roles'));
    await page.getByRole('button', { name: 'New role' }).click();
    const dialog = page.getByRole('dialog', { name: 'New role' });
    await dialog.getByLabel('Name').fill('Auditors');
    await dialog.getByRole('button', { name: 'Create role' }).click();
    await page.getByRole('heading', { level: 1, name: 'Auditors' }).waitFor();
    for (const action of ['getOrg', 'getResource', 'listResources'])
      await page.getByLabel(action, { exact: true }).uncheck();
    await page.getByLabel('Find an action').fill('audit');
    await page.getByLabel('listAudit', { exact: true }).check();
    await page.getByText(/^1 of \d+ chosen$/).waitFor();
    await page.getByRole('button', { name: 'Save', exact: true }).first().click();
    await page.getByText('Auditors holds this from now on').waitFor();

    await page.goto(at('access/people'));
    await page.getByRole('link', { name: 'Invite' }).click();
    await page.getByLabel('E-mail address').fill(email);
    await choose(page, 'Roles', 'Auditors');
    await page.getByRole('button', { name: 'Invite', exact: true }).click();
    await page.getByText(`A link was mailed to ${email}.`).waitFor();
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('cell', { name: email, exact: true }).waitFor();

    const guest = await dashboard.visitor();
    const theirs = await guest.goTo(await mailedLink(email, '/invite'));
    await theirs.getByText(`You are invited as ${email}.`).waitFor();
    await expectAccessible(theirs);
    await takePicture(theirs, 'invite');
    guest.expectComplaint(/400/);
    // Nobody is signed in there: the page asks who it is, and is told so.
    guest.expectComplaint(/401/);
    await theirs.getByRole('button', { name: 'Accept' }).click();
    await refused(theirs, 'Password').waitFor();
    await theirs.getByLabel('Password', { exact: true }).fill('a password of an auditor');
    await theirs.getByRole('button', { name: 'Accept' }).click();
    await theirs.getByRole('heading', { name: 'You are in' }).waitFor();
    // The list of who invited has it without a reload.
    await page.getByText('No open invitations').waitFor();

    await theirs.getByRole('link', { name: 'Sign in' }).click();
    await theirs.getByLabel('E-mail address').fill(email);
    await theirs.getByLabel('Password', { exact: true }).fill('a password of an auditor');
    await theirs.getByRole('button', { name: 'Sign in' }).click();
    await theirs.getByRole('heading', { level: 1, name: 'My resources' }).waitFor();
    const places = theirs.getByRole('navigation', { name: 'Navigation' }).getByRole('link');
    expect(await places.allTextContents()).toEqual(['Audit log', 'My resources']);
    await places.first().click();
    await theirs.getByRole('button', { name: 'Details of invitation.accept' }).first().waitFor();
    await theirs.goto(at('sites'));
    await theirs.getByRole('heading', { name: 'You may not see this' }).waitFor();
    await theirs.getByText('It needs the action listSites').waitFor();
  });

  it('cannot use the link twice, and a link without its token says so', async () => {
    const created = await dashboard.root.expect<{ inviteLink: string }>('POST', fixture.path('create-invite'), {
      email: 'twice@example.com',
      roleIds: [fixture.roleId],
      validHours: 1,
    });
    const { pathname, search } = new URL(created.inviteLink);
    await new Api(dashboard.server.url).expect('POST', '/invite/accept', {
      token: new URLSearchParams(search).get('token'),
      password: PASSWORD,
    });
    const guest = await dashboard.visitor();
    guest.expectComplaint(/404/);
    const page = await guest.goTo(pathname + search);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Accept' }).click();
    await page.getByText('This invitation works no more').waitFor();
    await page.goto('/invite');
    await page.getByText('This is no invitation').waitFor();
  });
});

describe('a forgotten password', () => {
  it('is replaced by the link of a mail', async () => {
    const { email } = await fixture.user('Member');
    const guest = await dashboard.visitor();
    const page = await guest.goTo('/login');
    await page.getByRole('link', { name: 'Forgot the password?' }).click();
    // The page that one comes from asks for an address as well.
    await page.getByRole('button', { name: 'Mail me a link' }).waitFor();
    await page.getByLabel('E-mail address').fill(email);
    await page.getByRole('button', { name: 'Mail me a link' }).click();
    await page.getByText('If the address has an account, a link is on its way.').waitFor();
    await page.goto(await mailedLink(email, '/reset'));
    await page.getByRole('heading', { name: 'Choose a new password' }).waitFor();
    await expectAccessible(page);
    guest.expectComplaint(/400/);
    await page.getByLabel('New password', { exact: true }).fill('short');
    await page.getByRole('button', { name: 'Set password' }).click();
    await refused(page, 'New password').waitFor();
    await page.getByLabel('New password', { exact: true }).fill('another password of a test');
    await page.getByRole('button', { name: 'Set password' }).click();
    await page.getByRole('heading', { name: 'Password set' }).waitFor();
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password', { exact: true }).fill('another password of a test');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { level: 1, name: 'My resources' }).waitFor();
  });
});

describe('an API key', () => {
  it('is shown once, works with the actions that it was given, and is refused when it was deleted', async () => {
    const visitor = await dashboard.signedIn();
    // What tells of its end may come before its page is left.
    visitor.expectComplaint(/404/);
    const page = await visitor.goTo(at('access/api-keys'));
    await page.getByRole('button', { name: 'New API key' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'New API key' });
    visitor.expectComplaint(/400/);
    await dialog.getByRole('button', { name: 'Create key' }).click();
    const name = dialog.getByLabel('Name', { exact: true });
    await name.and(page.locator('[aria-invalid="true"]')).waitFor();
    await name.fill('Billing export');
    await dialog.getByLabel('listSites', { exact: true }).check();
    await dialog.getByRole('button', { name: 'Create key' }).click();
    await dialog.getByText('Copy it now: it is shown only this once.').waitFor();
    await expectAccessible(page);
    const api = dashboard.root.as((await dialog.locator('pre').textContent())!);
    expect((await api.get(fixture.path('sites'))).status).toBe(200);
    expect((await api.get(fixture.path('groups'))).status).toBe(403);

    await dialog.getByRole('link', { name: 'To its page' }).click();
    await page.getByRole('heading', { level: 1, name: 'Billing export' }).waitFor();
    expect(await page.getByLabel('listSites', { exact: true }).isChecked()).toBe(true);
    await page.getByLabel('listGroups', { exact: true }).check();
    await page.getByRole('button', { name: 'Save actions' }).click();
    await page.getByText('Actions of Billing export changed').waitFor();
    expect((await api.get(fixture.path('groups'))).status).toBe(200);

    await page.getByRole('button', { name: 'Delete key' }).click();
    const confirm = page.getByRole('dialog', { name: 'Delete the API key Billing export?' });
    await confirm.getByLabel('Type Billing export to confirm').fill('Billing export');
    await confirm.getByRole('button', { name: 'Delete key' }).click();
    await page.getByText('API key Billing export deleted').waitFor();
    expect((await api.get(fixture.path('sites'))).status).toBe(401);
  });
});

describe('a person', () => {
  it('gets another role, loses one, and is removed', async () => {
    const { email, userId } = await fixture.user('Member');
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('access/people'));
    await page.getByRole('link', { name: email }).click();
    await choose(page, 'Roles', 'Viewer');
    await page.getByRole('button', { name: 'Save roles' }).click();
    await page.getByText(`Roles of ${email} changed`).waitFor();
    const read = () => dashboard.root.expect<{ roles: { name: string }[] }>('GET', fixture.path(`user/${userId}`));
    expect((await read()).roles.map(({ name }) => name).sort()).toEqual(['Member', 'Viewer']);
    await page.getByRole('button', { name: 'Remove from the organization' }).click();
    await page.getByLabel(`Type ${email} to confirm`).fill(email);
    await page.getByRole('button', { name: 'Remove', exact: true }).click();
    await page.getByText(`${email} no longer belongs to the organization`).waitFor();
    await page.getByRole('cell', { name: email, exact: true }).waitFor({ state: 'detached' });
  });
});

describe('a role that two people edit', () => {
  it('says what the other one changed, and saves over it when asked to', async () => {
    const { roleId } = await dashboard.root.expect<{ roleId: number }>('PUT', fixture.path('role'), {
      name: 'Night shift',
    });
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/412/);
    const page = await visitor.goTo(at(`access/roles/${roleId}`));
    await page.getByLabel('Description').fill('From 22 to 6');
    await dashboard.root.expect('POST', `/role/${roleId}`, { name: 'Night watch' });
    await page.getByRole('button', { name: 'Save', exact: true }).last().click();
    const told = page.getByRole('alert').filter({ hasText: 'Changed meanwhile' });
    await told.getByRole('cell', { name: 'Night watch', exact: true }).waitFor();
    await told.getByRole('button', { name: 'Save mine anyway' }).click();
    await page.getByText('Role changed').waitFor();
    const role = await dashboard.root.expect<{ name: string; description: string }>('GET', `/role/${roleId}`);
    expect(role).toMatchObject({ name: 'Night shift', description: 'From 22 to 6' });
  });
});

describe('a client and a share link', () => {
  it('are made, and their secrets are shown once', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('access/clients'));
    await page.getByRole('button', { name: 'New client' }).first().click();
    await page.getByLabel('Name', { exact: true }).fill('Backup host');
    await page.getByRole('button', { name: 'Create client' }).click();
    await page.getByText('Copy its secret now: it is shown only this once.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'What to do with Backup host' }).click();
    await page.getByRole('menuitem', { name: 'Block' }).click();
    await page.getByText('Backup host is refused from now on').waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByText('Backup host is let in again').waitFor();

    await page.goto(at('access/share-links'));
    await page.getByRole('button', { name: 'New share link' }).first().click();
    await page.getByRole('button', { name: 'Create link' }).click();
    await page.getByText('Choose a resource').waitFor();
    const [resource] = await dashboard.root.expect<{ name: string }[]>('GET', fixture.path('resource-names'));
    await choose(page, 'Resource', resource!.name);
    await page.getByLabel('Title').fill('Auditor, this week');
    await page.getByRole('button', { name: 'Create link' }).click();
    await page.getByText('Copy it now: it is shown only this once.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('cell', { name: 'Auditor, this week', exact: true }).waitFor();
  });
});
