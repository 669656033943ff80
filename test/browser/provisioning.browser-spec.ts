import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Program, startAgentProgram } from '../support/agent-process.js';
import { Dashboard, expectAccessible, takePicture } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';

let dashboard: Dashboard;
let fixture: FixtureOrg;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-provisioning-'));
  dashboard = await Dashboard.open();
  fixture = await FixtureOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(async () => {
  await dashboard?.close();
  rmSync(folder, { recursive: true });
});

const at = (path: string): string => `/org/${fixture.orgId}/provisioning/${path}`;

async function createKey(page: Page, name: string): Promise<string> {
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Create the key' }).click();
  return (await page.getByLabel('Provisioning key', { exact: true }).textContent())!;
}

const enrol = (key: string, hardwareId: string, name: string): Program =>
  startAgentProgram(
    ['--endpoint', dashboard.server.url, '--provisioning-key-file', '-', '--hardware-id', hardwareId, '--name', name],
    { stdin: key, env: { HOME: folder, CONFIG_FILE: join(folder, `${hardwareId}.json`) } },
  );

describe('a rollout', () => {
  it('goes from a new key to a machine that is online, without reloading', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('keys'));
    await page.evaluate('window.sameDocument = true');
    await page.getByRole('link', { name: 'Create a key' }).first().click();
    await page.getByText(/^Up to 25 machines can enrol, until .*; each waits until somebody approves it\.$/).waitFor();
    const key = await createKey(page, 'Hall B');
    expect(key).toMatch(/^spk_[a-z0-9]{15}\./);
    await page.getByText('Waiting for the first machine').waitFor();
    // The snippets hold the same key, and say that only this machine reaches the server.
    await page.getByText(/only the server's own machine reaches/).waitFor();
    await page.getByRole('tab', { name: 'Compose' }).click();
    await page.getByRole('region', { name: 'compose.yml' }).getByText('PANGOLIN_ENDPOINT').waitFor();

    const agent = enrol(key, 'press-14', 'Press 14');
    await page.getByText('One machine has come.').waitFor();
    await page.getByRole('link', { name: 'Look at what waits' }).click();
    await page.getByText('One site waits for approval').waitFor();
    await page.getByRole('button', { name: 'Approve Press 14' }).click();
    await page.getByText('1 approved').waitFor();
    await page.getByText('Nothing matches').waitFor();

    await page.getByRole('link', { name: 'Sites', exact: true }).click();
    const row = page.getByRole('row').filter({ hasText: 'Press 14' });
    await row.getByText('Online', { exact: true }).waitFor();
    expect(await page.evaluate('window.sameDocument')).toBe(true);
    agent.child.kill('SIGTERM');
    await agent.ended;
  });

  it('shows in Pending what comes while one looks', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('pending'));
    await page.getByRole('heading', { name: 'Pending sites' }).waitFor();
    const { siteId } = await fixture.site('pending');
    await page.locator(`a[href$="/sites/${siteId}"]`).waitFor();
  });
});

describe('one that does not belong', () => {
  it('is rejected by its name, blocked, and may be unblocked', async () => {
    const made = await dashboard.root.expect<{ siteProvisioningKey: string }>(
      'PUT',
      `/org/${fixture.orgId}/site-provisioning-key`,
      { name: 'odd', maxBatchSize: 1, approveNewSites: false },
    );
    const agent = enrol(made.siteProvisioningKey, 'odd-1', 'Odd one');
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('pending'));
    await page.getByRole('button', { name: 'Reject Odd one' }).click();
    const dialog = page.getByRole('dialog', { name: 'Reject Odd one' });
    const button = dialog.getByRole('button', { name: 'Reject' });
    expect(await button.isDisabled()).toBe(true);
    await dialog.getByLabel('Type Odd one to confirm').fill('Odd one');
    await expectAccessible(page, '[role="dialog"]');
    await button.click();
    await page.getByText('1 rejected').waitFor();
    await agent.ended;

    await page.getByRole('link', { name: 'Blocked hardware ids' }).click();
    await page.getByRole('button', { name: 'Unblock odd-1' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Unblock' }).click();
    await page.getByText('odd-1 may claim again', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Unblock odd-1' }).waitFor({ state: 'detached' });
  });
});

describe('a key', () => {
  it('is rotated, disabled with an undo, and revoked by its name', async () => {
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at('keys/new'));
    const first = await createKey(page, 'Line 4');
    await page.getByRole('link', { name: 'To the key' }).click();
    await page.getByRole('button', { name: 'Rotate' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click();
    const shown = page.getByRole('dialog', { name: 'Key Line 4' });
    const second = (await shown.getByLabel('Provisioning key', { exact: true }).textContent())!;
    expect(second.split('.')[0]).toBe(first.split('.')[0]);
    expect(second).not.toBe(first);
    await expectAccessible(page, '[role="dialog"]');
    await page.keyboard.press('Escape');
    await page.getByText('Previous', { exact: true }).waitFor();

    await page.getByRole('button', { name: 'Disable' }).click();
    await page.getByRole('button', { name: 'Enable' }).waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('button', { name: 'Disable' }).waitFor();

    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Revoke' }).click();
    const dialog = page.getByRole('dialog', { name: 'Revoke Line 4' });
    await dialog.getByLabel('Type Line 4 to confirm').fill('Line 4');
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await page.getByText('Revoked', { exact: true }).first().waitFor();
    expect(await page.getByRole('button', { name: 'Rotate' }).count()).toBe(0);
  });

  it('says which of the expected machines are missing', async () => {
    const made = await dashboard.root.expect<{ siteProvisioningKeyId: string; siteProvisioningKey: string }>(
      'PUT',
      `/org/${fixture.orgId}/site-provisioning-key`,
      { name: 'Delivery', maxBatchSize: 3, approveNewSites: false },
    );
    const visitor = await dashboard.signedIn();
    const page = await visitor.goTo(at(`keys/${made.siteProvisioningKeyId}`));
    await page.getByRole('button', { name: 'Expected machines' }).click();
    await page.getByLabel('Hardware ids').fill('unit-1\nunit-2\n');
    await page.getByRole('button', { name: 'Keep with the key' }).click();
    await page.getByRole('heading', { name: 'Missing: 2' }).waitFor();
    const agent = enrol(made.siteProvisioningKey, 'unit-1', 'Unit 1');
    await page.getByRole('heading', { name: 'Missing: 1' }).waitFor();
    await page.getByText('Never seen').waitFor();
    await expectAccessible(page);
    await takePicture(page, 'provisioning-key-rollout');
    agent.child.kill('SIGTERM');
    await agent.ended;
  });

  it('says at its fields what is wrong with them', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at('keys/new'));
    await page.getByLabel('How many machines').fill('0');
    await page.getByRole('button', { name: 'Create the key' }).click();
    await page.getByText(/^Must not be less than 1/).waitFor();
    expect(await page.getByLabel('Name').getAttribute('aria-invalid')).toBe('true');
    expect(await page.getByLabel('How many machines').getAttribute('aria-invalid')).toBe('true');
    // What was typed stays, and is taken once it is right.
    await page.getByLabel('How many machines').fill('3');
    expect(await createKey(page, 'Mended')).toMatch(/^spk_/);
  });
});

describe('templates', () => {
  it('are made and changed, and say what is wrong with them', async () => {
    const visitor = await dashboard.signedIn();
    visitor.expectComplaint(/400/);
    const page = await visitor.goTo(at('templates/new'));
    await page.getByLabel('Name', { exact: true }).fill('Presses');
    await page.getByLabel('Pattern of hardware ids').fill('(');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.locator('[aria-invalid="true"]').waitFor();
    await page.getByLabel('Pattern of hardware ids').fill('press-[0-9]+');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { name: 'Presses' }).waitFor();
    await page.getByLabel('Name', { exact: true }).fill('Presses of hall B');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: 'Presses of hall B' }).waitFor();
  });
});
