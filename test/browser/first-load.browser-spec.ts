import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Dashboard } from '../support/browser/dashboard.js';
import { rawGet } from '../support/raw-get.js';

const BOUND = 300 * 1024;

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await Dashboard.open();
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

it('costs less than 300 KB, gzipped', async () => {
  const visitor = await dashboard.signedIn();
  const assets = new Set<string>();
  visitor.context.on('request', (request) => {
    if (new URL(request.url()).pathname.startsWith('/assets/')) assets.add(request.url());
  });
  const page = await visitor.goTo('/org/default/sites');
  await page.getByRole('heading', { level: 1, name: 'Sites' }).waitFor();
  await page.waitForLoadState('networkidle');
  const sizes = await Promise.all(
    [...assets].map(async (url) => (await rawGet(url, { 'accept-encoding': 'gzip' })).body.length),
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`first load of the list of sites: ${Math.round(bytes / 1024)} KB in ${sizes.length} files`);
  expect(bytes).toBeLessThan(BOUND);
  expect([...assets].filter((url) => /recharts|codemirror|editor|lazy/i.test(url))).toEqual([]);
});
