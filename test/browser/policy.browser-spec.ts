import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Dashboard, expectAccessible, type Visitor } from '../support/browser/dashboard.js';

const PARTS = fileURLToPath(new URL('parts', import.meta.url));
const CONFIG = fileURLToPath(new URL('../../libs/dashboard/vite.config.ts', import.meta.url));
const TYPES: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

let dashboard: Dashboard;
let built: string;
beforeAll(async () => {
  built = mkdtempSync(join(tmpdir(), 'gatehouse-parts-'));
  await build({
    configFile: CONFIG,
    root: PARTS,
    base: '/parts/',
    logLevel: 'warn',
    build: { outDir: built, emptyOutDir: true },
  });
  dashboard = await Dashboard.open();
});
afterEach(() => dashboard.settle());
afterAll(async () => {
  await dashboard?.close();
  rmSync(built, { recursive: true, force: true });
});

/** The parts, under the policy and the nonce that the server gives to its own page. */
async function openParts(visitor: Visitor): Promise<Page> {
  await visitor.context.route('**/parts/**', async (route) => {
    const path = new URL(route.request().url()).pathname.slice('/parts/'.length);
    if (path !== '') {
      const body = readFileSync(join(built, path));
      return route.fulfill({ body, contentType: TYPES[extname(path)] ?? 'application/octet-stream' });
    }
    const page = await fetch(dashboard.server.url, { headers: { accept: 'text/html' } });
    const policy = page.headers.get('content-security-policy')!;
    const nonce = /'nonce-([^']+)'/.exec(policy)![1]!;
    const html = readFileSync(join(built, 'index.html'), 'utf8').replaceAll('__NONCE__', nonce);
    return route.fulfill({ body: html, contentType: 'text/html', headers: { 'content-security-policy': policy } });
  });
  return visitor.goTo('/parts/');
}

describe('under the policy of the pages', () => {
  it('modal, drawer, select, tooltip, date picker, editor, difference and chart are as they should be', async () => {
    const visitor = await dashboard.visitor();
    const page = await openParts(visitor);

    await page.getByRole('button', { name: 'Open the modal' }).click();
    const modal = page.getByRole('dialog', { name: 'Modal' });
    await modal.getByRole('combobox', { name: 'Fruit' }).click();
    await page.getByRole('option', { name: 'Pear' }).click();
    await modal.getByLabel('When').click();
    await page.getByRole('button', { name: /^1 / }).first().waitFor();
    // What locks scrolling behind a modal is a style that get-nonce gives the nonce to.
    expect(await page.evaluate('getComputedStyle(document.body).overflow')).toBe('hidden');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await modal.waitFor({ state: 'detached' });

    await page.getByRole('button', { name: 'Open the drawer' }).click();
    await page.getByRole('dialog', { name: 'Drawer' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'Drawer' }).waitFor({ state: 'detached' });

    await page.getByRole('button', { name: 'Hover' }).hover();
    await page.getByRole('tooltip').waitFor();

    // An editor whose styles the policy had refused would be no flex box.
    const editor = page.locator('.cm-editor').first();
    await editor.waitFor();
    expect(await page.evaluate("getComputedStyle(document.querySelector('.cm-editor')).display")).toBe('flex');
    await page.locator('.recharts-line-curve').waitFor();
    await page.locator('.cm-changedLine').first().waitFor();
    await expectAccessible(page);
  });

  it('documents are read in a worker, by the rules of the server', async () => {
    const page = await openParts(await dashboard.visitor());
    const marks = page.locator('.cm-lint-marker-error');
    await marks.nth(1).waitFor();
    await marks.first().hover();
    await page.locator('.cm-tooltip-lint').getByText('did you mean').first().waitFor();
  });

  it('a style or a script without the nonce is refused, and the harness sees it', async () => {
    const visitor = await dashboard.visitor();
    const refused: string[] = [];
    visitor.expectComplaint(/Content Security Policy/);
    const page = await openParts(visitor);
    page.on('console', (message) => refused.push(message.text()));
    await page.evaluate(`
      document.head.append(Object.assign(document.createElement('style'), { textContent: 'body { color: red }' }));
      document.body.insertAdjacentHTML('beforeend', '<p style="color: red">x</p>');
      document.head.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = true' }));`);
    await expect
      .poll(() => refused.filter((text) => text.includes('Content Security Policy')).length)
      .toBeGreaterThan(2);
    expect(await page.evaluate('window.ran')).toBeUndefined();
  });
});
