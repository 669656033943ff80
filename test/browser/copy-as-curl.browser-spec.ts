import { execFileSync } from 'node:child_process';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestKey } from '../support/api.js';
import { Dashboard, type Visitor } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

async function withClipboard(): Promise<Visitor> {
  const visitor = await dashboard.signedIn();
  await visitor.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: dashboard.server.url });
  return visitor;
}

/** What the line in the clipboard would send, by a shell in which curl only says what it was given. */
async function copied(page: Page): Promise<{ method: string; path: string; body: unknown; authorization: string }> {
  const text = (await page.evaluate('navigator.clipboard.readText()')) as string;
  const said = execFileSync('/bin/sh', ['-c', `curl() { for one; do printf '%s\\0' "$one"; done; }\n${text}`], {
    env: { GATEHOUSE_API_KEY: dashboard.server.rootKey },
    encoding: 'utf8',
  });
  const args = said.split('\0');
  const after = (flag: string) => args[args.indexOf(flag) + 1]!;
  const url = new URL(args.find((one) => one.startsWith('http'))!);
  return {
    method: after('-X'),
    path: url.pathname + url.search,
    body: args.includes('-d') ? (JSON.parse(after('-d')) as unknown) : undefined,
    authorization: after('-H'),
  };
}

const stateOf = async ({ siteProvisioningKeyId }: TestKey): Promise<string> =>
  (
    await dashboard.root.expect<{ state: string }>(
      'GET',
      fixture.path(`site-provisioning-key/${siteProvisioningKeyId}`),
    )
  ).state;

describe('copy as curl', () => {
  it('says what a dialog would do, without doing it, and does it in a shell', async () => {
    const key = await fixture.provisioningKey({ name: "Line 4's key" });
    const visitor = await withClipboard();
    const page = await visitor.goTo(`/org/${fixture.orgId}/provisioning/keys/${key.siteProvisioningKeyId}`);
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Revoke' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Copy as curl' }).click();
    await page.getByText('Copied', { exact: true }).waitFor();
    const call = await copied(page);
    expect(call).toEqual({
      method: 'POST',
      path: `/api/v1${fixture.path(`site-provisioning-key/${key.siteProvisioningKeyId}/revoke`)}`,
      body: undefined,
      authorization: `Authorization: Bearer ${dashboard.server.rootKey}`,
    });
    expect(await stateOf(key)).toBe('active');
    await page.keyboard.press('Escape');
    await dashboard.root.expect('POST', call.path);
    // The page tells of it, as of whatever others do.
    await page.getByText('Revoked', { exact: true }).waitFor();
  });

  it('holds what was typed into a form', async () => {
    const visitor = await withClipboard();
    const page = await visitor.goTo(`/org/${fixture.orgId}/provisioning/keys/new`);
    await page.getByLabel('Name').fill(`It's "Hall B"`);
    await page.getByRole('button', { name: 'Copy as curl' }).click();
    await page.getByText('Copied', { exact: true }).waitFor();
    const { method, path, body } = await copied(page);
    expect([method, path]).toEqual(['PUT', `/api/v1${fixture.path('site-provisioning-key')}`]);
    expect(body).toMatchObject({ name: `It's "Hall B"`, maxBatchSize: 25, approveNewSites: false });
    expect(await page.getByRole('button', { name: 'Create the key' }).isVisible()).toBe(true);
  });

  it('repeats what a button did at once', async () => {
    const key = await fixture.provisioningKey({ name: 'Line 5' });
    const visitor = await withClipboard();
    const page = await visitor.goTo(`/org/${fixture.orgId}/provisioning/keys/${key.siteProvisioningKeyId}`);
    await page.getByRole('button', { name: 'Disable' }).click();
    await page.getByRole('alert').getByRole('button', { name: 'Copy as curl' }).click();
    await page.getByText('Copied', { exact: true }).waitFor();
    const { method, path, body } = await copied(page);
    expect([method, path]).toEqual([
      'PATCH',
      `/api/v1${fixture.path(`site-provisioning-key/${key.siteProvisioningKeyId}`)}`,
    ]);
    expect(body).toEqual({ status: 'disabled' });
  });
});
