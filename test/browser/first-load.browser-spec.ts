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

/** Charts and editors come when a page shows one. */
const ON_DEMAND = /recharts|codemirror|editor|lazy|worker/i;

it.each([
  ['/orgs', false],
  ['/org/default', true],
  ['/org/default/sites', false],
])('%s costs less than 300 KB, gzipped', async (path, hasCharts) => {
  const visitor = await dashboard.signedIn();
  const assets = new Set<string>();
  visitor.context.on('request', (request) => {
    if (new URL(request.url()).pathname.startsWith('/assets/')) assets.add(request.url());
  });
  const page = await visitor.goTo(path);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.waitForLoadState('networkidle');
  const first = [...assets].filter((url) => !ON_DEMAND.test(url));
  if (!hasCharts) expect(first).toHaveLength(assets.size);
  const sizes = await Promise.all(
    first.map(async (url) => (await rawGet(url, { 'accept-encoding': 'gzip' })).body.length),
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`first load of ${path}: ${Math.round(bytes / 1024)} KB in ${sizes.length} files`);
  expect(sizes.length).toBeGreaterThan(2);
  expect(bytes).toBeLessThan(BOUND);
});
