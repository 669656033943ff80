// Logins on public resources behind a real agent (docs/edge-access.md), and what the dashboard then says of these resources.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TestOrg } from '../support/api.js';
import { Dashboard, expectAccessible, PHONE, type Visitor } from '../support/browser/dashboard.js';
import { freePort, TEST_ADMIN, until } from '../support/server.js';
import { TestMailServer } from '../support/smtp.js';
import { TunnelAgent } from '../support/tunnels.js';

const PASSWORD = 'correct horse battery';
const PIN = '271828';
const EMAIL = 'kim@example.com';

let mail: TestMailServer;
let dashboard: Dashboard;
let org: TestOrg;
let agent: TunnelAgent;
/** What stands behind the agent, and whom it was told of last. */
let target: http.Server;
let remoteEmail: string | undefined;
let edgePort: number;
let siteId: number;
let serial = 0;

beforeAll(async () => {
  mail = await TestMailServer.start();
  target = http.createServer((request, response) => {
    // Others are health checks.
    if (request.url !== '/') remoteEmail = request.headers['remote-email'] as string | undefined;
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(
      `<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1>App ${request.url}</h1>`,
    );
  });
  await once(target.listen(0, '127.0.0.1'), 'listening');
  edgePort = await freePort();
  dashboard = await Dashboard.open({
    env: {
      // Browsers take every name below localhost to this machine.
      BASE_DOMAIN: 'apps.localhost',
      EDGE_PORT: String(edgePort),
      SMTP_URL: mail.url,
      MAIL_FROM: 'gate@example.com',
    },
  });
  const { root, server } = dashboard;
  org = await TestOrg.create(root, { name: 'The Acme' });
  await root.expect('POST', `/org/${org.orgId}`, { settingsLogRetentionDaysAccess: 7 });
  const site = await root.expect<{ siteId: number; newtId: string; secret: string }>('PUT', org.path('site'), {
    name: 'Hall A',
    type: 'newt',
  });
  ({ siteId } = site);
  agent = new TunnelAgent(['--endpoint', server.url, '--id', site.newtId, '--secret', site.secret]);
  agent.start();
});
afterEach(() => dashboard.settle());
afterAll(async () => {
  await agent?.remove();
  await dashboard?.close();
  stopTarget();
  await mail?.stop();
});

function stopTarget(): void {
  target?.close();
  target?.closeAllConnections();
}
const targetPort = (): number => (target.address() as AddressInfo).port;

interface Published {
  resourceId: number;
  host: string;
  origin: string;
}

const statusOf = (host: string): Promise<number> =>
  new Promise((done, failed) => {
    const asked = http.get({ host: '127.0.0.1', port: edgePort, agent: false, headers: { host } }, (answer) => {
      answer.resume().on('end', () => done(answer.statusCode!));
    });
    asked.on('error', failed);
  });

/** A resource with these ways in, once the edge asks for them. */
async function publish(ways: { sso?: boolean; password?: true; pincode?: true; whitelist?: true }): Promise<Published> {
  const { root } = dashboard;
  const { domains } = await root.expect<{ domains: { domainId: string }[] }>('GET', org.path('domains'));
  const { resourceId, fullDomain: host } = await root.expect<{ resourceId: number; fullDomain: string }>(
    'PUT',
    org.path('resource'),
    { name: `App ${++serial}`, http: true, protocol: 'tcp', domainId: domains[0]!.domainId, subdomain: `app${serial}` },
  );
  const set = (path: string, body: object) => root.expect('POST', `/resource/${resourceId}${path}`, body);
  await root.expect('PUT', `/resource/${resourceId}/target`, {
    siteId,
    ip: '127.0.0.1',
    port: targetPort(),
    method: 'http',
    hcEnabled: true,
    hcInterval: 1,
    hcUnhealthyInterval: 1,
  });
  await set('', { ssl: false, sso: ways.sso ?? false, emailWhitelistEnabled: ways.whitelist ?? false });
  if (ways.password) await set('/password', { password: PASSWORD });
  if (ways.pincode) await set('/pincode', { pincode: PIN });
  if (ways.whitelist) await set('/whitelist', { emails: [EMAIL] });
  const wanted = Object.keys(ways).length > 0 ? 401 : 200;
  await until(async () => (await statusOf(host)) === wanted);
  return { resourceId, host, origin: `http://${host}:${edgePort}` };
}

/** Somebody at a resource that asks who they are. */
async function atLogin(visitor: Visitor, { origin }: Published, path = '/a?b=c'): Promise<Page> {
  visitor.expectComplaint(/401/);
  const page = await visitor.goTo(origin + path);
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  return page;
}
const isInside = (page: Page, path = '/a?b=c') => page.getByRole('heading', { name: `App ${path}` }).waitFor();
const sideways = (page: Page) =>
  page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');

describe('somebody logs in on a resource', () => {
  it.each([
    ['password', 'Password', PASSWORD],
    ['pincode', 'PIN', PIN],
  ] as const)('by %s, on a phone without scripts', async (way, label, secret) => {
    const app = await publish({ [way]: true });
    const visitor = await dashboard.visitor({ viewport: PHONE, javaScriptEnabled: false });
    const page = await atLogin(visitor, app);
    expect(await sideways(page)).toBe(0);
    await page.getByLabel(label).fill('000000');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').getByText('That was not right').waitFor();
    await page.getByLabel(label).fill(secret);
    await page.getByRole('button', { name: 'Log in' }).click();
    await isInside(page);
    expect(page.url()).toBe(`${app.origin}/a?b=c`);
  });

  it('by a mailed code', async () => {
    const app = await publish({ whitelist: true, sso: true, password: true, pincode: true });
    const visitor = await dashboard.visitor({ viewport: PHONE });
    const page = await atLogin(visitor, app);
    await expectAccessible(page);
    expect(await sideways(page)).toBe(0);
    await page.getByLabel('E-mail address').fill(EMAIL);
    await page.getByRole('button', { name: 'Mail me a code' }).click();
    await page.getByLabel('Code').waitFor();
    await expectAccessible(page);
    expect(await sideways(page)).toBe(0);
    const { text } = await until(() => mail.mails.find(({ to }) => to.includes(EMAIL)));
    await page.getByLabel('Code').fill(/^\d{8}$/m.exec(text)![0]);
    await page.getByRole('button', { name: 'Log in' }).click();
    await isInside(page);
    expect(remoteEmail).toBe(EMAIL);
  });

  it('by a share link that was made on its page, and nowhere else by its cookie', async () => {
    const [app, other] = [await publish({ sso: true }), await publish({ sso: true })];
    const operator = await dashboard.signedIn();
    const page = await operator.goTo(`/org/${org.orgId}/access/share-links`);
    await page.getByRole('button', { name: 'New share link' }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('combobox', { name: 'Resource' }).fill(`App ${serial - 1}`);
    await page.getByRole('option', { name: `App ${serial - 1}`, exact: true }).click();
    await dialog.getByRole('button', { name: 'Create link' }).click();
    await dialog.getByText('Copy it now: it is shown only this once.').waitFor();
    const link = (await dialog.locator('pre').textContent())!;
    expect(link).toMatch(new RegExp(`^${app.origin}/\\?p_token=\\w{8}\\.\\w{26}$`));

    const visitor = await dashboard.visitor();
    const opened = await visitor.goTo(link);
    await isInside(opened, '/');
    expect(opened.url()).toBe(`${app.origin}/`);
    const [cookie] = (await visitor.context.cookies(app.origin)).filter(({ name }) =>
      name.endsWith('resource_session'),
    );
    await visitor.context.addCookies([{ name: cookie!.name, value: cookie!.value, url: other.origin }]);
    await atLogin(visitor, other);
  });

  it('by the dashboard, is named in the log of requests, and logs out', async () => {
    const app = await publish({ sso: true });
    const visitor = await dashboard.visitor();
    const page = await atLogin(visitor, app);
    await page.getByRole('button', { name: 'Log in with Gatehouse' }).click();
    await page.waitForURL(/\/resource-login#request=/);
    await page.getByLabel('E-mail').fill(TEST_ADMIN.email);
    await page.getByLabel('Password', { exact: true }).fill(TEST_ADMIN.password);
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await isInside(page);
    expect(page.url()).toBe(`${app.origin}/a?b=c`);
    expect(remoteEmail).toBe(TEST_ADMIN.email);

    const logs = `/org/${org.orgId}/logs/request?resourceId=${app.resourceId}&actor=${TEST_ADMIN.email}`;
    await until(async () => (await dashboard.root.expect<{ log: object[] }>('GET', logs)).log.length > 0);
    const requests = await visitor.goTo(`/org/${org.orgId}/logs/requests?resourceId=${app.resourceId}`);
    await requests.getByRole('cell', { name: TEST_ADMIN.email }).first().waitFor();

    await page.goto(`${app.origin}/.gatehouse/logout`);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'You are logged out' }).waitFor();
    await expectAccessible(page);
    await page.goto(`${app.origin}/`);
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
  });
});

describe('the dashboard', () => {
  it('shows who logged in, by each way', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(`/org/${org.orgId}/logs/logins`);
    for (const way of ['Password', 'PIN', 'Mailed code', 'Share link or token', 'Login'])
      await page.getByRole('cell', { name: way, exact: true }).first().waitFor();
  });

  it('opens a resource, and shows its traffic, what went wrong, and which target is down since when', async () => {
    const app = await publish({});
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(`/org/${org.orgId}/resources/public/${app.resourceId}`);
    const opening = page.waitForEvent('popup');
    await page.getByRole('link', { name: /^Open/ }).click();
    const opened = await opening;
    await isInside(opened, '/');
    expect(opened.url()).toBe(`${app.origin}/`);

    const port = targetPort();
    stopTarget();
    // Told as it comes, without loading the page again.
    const health = page.getByText('nobody listens there');
    await health.first().waitFor();
    await page.getByText(`127.0.0.1:${port}`).first().waitFor();
    expect(await statusOf(app.host)).toBe(503);
    const analytics = `/org/${org.orgId}/logs/analytics?resourceId=${app.resourceId}`;
    await until(
      async () => (await dashboard.root.expect<{ totalRequests: number }>('GET', analytics)).totalRequests > 1,
    );
    const log = `/org/${org.orgId}/logs/request?resourceId=${app.resourceId}&status=503`;
    const [row] = await until(async () => {
      const rows = (await dashboard.root.expect<{ log: { requestId: string; code: string }[] }>('GET', log)).log;
      return rows.length > 0 && rows;
    });
    await page.reload();
    await page
      .getByText(/^[2-9]\d* requests, /)
      .first()
      .waitFor();
    const errors = page.getByRole('table', { name: 'Last errors' }).getByRole('row');
    await errors
      .filter({ hasText: `503 ${row!.code}` })
      .first()
      .waitFor();
    await page.getByText(/^told/).first().waitFor();
    await expectAccessible(page);
    await errors
      .filter({ hasText: `503 ${row!.code}` })
      .first()
      .getByRole('link')
      .click();
    await page.waitForURL(/\/logs\/requests\?.*requestId=/);
    await page.getByRole('table').getByText('503').waitFor();
  });
});
