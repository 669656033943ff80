import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Dashboard, DESKTOP, PHONE, seriousIssues, takePicture, takeWebp } from '../support/browser/dashboard.js';
import { type Address, type Seen, Walk } from '../support/browser/walk.js';
import { RealisticOrg } from '../support/realistic-org.js';

/** `npm run pictures`: of each page four, by colour scheme and screen. */
const WITH_PICTURES = process.env['PICTURES'] !== undefined;

const SCREENS = { desktop: DESKTOP, phone: PHONE };
const SCHEMES = ['light', 'dark'] as const;
/** The two that axe looks at: together they have both schemes and both screens. */
const CHECKED = ['light-desktop', 'dark-phone'];

/** One test each, so that none takes long on a busy machine. */
const SECTIONS = ['sites', 'provisioning', 'resources', 'configuration', 'access', 'settings'];
const OTHERS = 'everything else';
const sectionOf = (route: string): string =>
  SECTIONS.find((section) => route.startsWith(`/org/$org/${section}`)) ?? OTHERS;

/** Lists that were exported from a page. */
const exported = new Set<string>();

/** Of the README, by what it calls them. */
const SHOWN = {
  'pending-sites': '/org/$org/provisioning/pending',
  rollout: '/org/$org/provisioning/keys/$key',
  sites: '/org/$org/sites',
};

let dashboard: Dashboard;
let org: RealisticOrg;
beforeAll(async () => {
  dashboard = await Dashboard.open();
  org = await RealisticOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

/** Looks at the page that is open in every scheme and on every screen. */
async function look(walk: Walk, { route }: Address): Promise<string[]> {
  const faults: string[] = [];
  const { page } = walk;
  for (const [screen, viewport] of Object.entries(SCREENS)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of SCHEMES) {
      const view = `${colorScheme}-${screen}`;
      if (!WITH_PICTURES && !CHECKED.includes(view)) continue;
      await page.emulateMedia({ colorScheme });
      await walk.settle();
      const over = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      if (over > 0) faults.push(`${view}: is ${over} px wider than the screen`);
      if (CHECKED.includes(view)) faults.push(...(await seriousIssues(page)).map((issue) => `${view}: ${issue}`));
      if (WITH_PICTURES) await takePicture(page, `pages/${nameOf(route)}-${view}`);
    }
  }
  await page.setViewportSize(DESKTOP);
  return faults;
}

/** Each list of the page that is exported, asked for in both formats. */
async function exportFaults({ page }: Walk): Promise<string[]> {
  const faults: string[] = [];
  for (const button of await page.getByRole('button', { name: 'Export', exact: true }).all()) {
    await button.click();
    const items = page.getByRole('menuitem', { name: /^As (CSV|JSON lines)$/ });
    await items.nth(1).waitFor();
    for (const item of await items.all()) {
      const href = (await item.getAttribute('href'))!;
      const [status, type] = await page.evaluate<[number, string]>(
        `fetch(${JSON.stringify(href)}).then((answer) => answer.text().then(() => [answer.status, answer.headers.get('content-type')]))`,
      );
      exported.add(href.split('?')[0]!);
      if (status !== 200 || !/^(text\/csv|application\/x-ndjson);/.test(type))
        faults.push(`${href}: ${status} ${type}`);
    }
    await page.keyboard.press('Escape');
    await items.first().waitFor({ state: 'hidden' });
  }
  return faults;
}

const nameOf = (route: string): string => route.replace('/org/$org', 'org').replace(/[/$]+/g, '-').replace(/^-/, '');

const titleFault = ({ title, heading }: Seen): string[] =>
  heading && title.includes(heading) && title.endsWith('Gatehouse') ? [] : [`title is ${title}, heading ${heading}`];

it.each([...SECTIONS, OTHERS])(
  'every page of %s is right in both colour schemes, on a desk and on a phone',
  async (section) => {
    const visitor = await dashboard.signedIn();
    const walk = await Walk.begin(visitor, '/orgs');
    const faults: string[] = [];
    const all = await walk.addresses(org.ids);
    const addresses = all.filter(({ isFramed, route }) => isFramed && sectionOf(route) === section);
    for (const address of addresses) {
      const seen = await walk.load(address.path);
      const found = [...titleFault(seen), ...(await look(walk, address)), ...(await exportFaults(walk))];
      faults.push(...found.map((fault) => `${address.path}: ${fault}`));
    }
    expect(addresses.length).toBeGreaterThan(0);
    expect(faults).toEqual([]);
  },
);

it('they export their lists', () => {
  // All that there is something in, from sites to the settings.
  expect(exported.size).toBeGreaterThan(25);
});

it('every page that needs nobody to be signed in is right too', async () => {
  const visitor = await dashboard.visitor();
  const walk = await Walk.begin(visitor, '/login');
  const faults: string[] = [];
  const addresses = (await walk.addresses(org.ids)).filter(({ isFramed }) => !isFramed);
  for (const address of addresses) {
    await walk.load(address.path);
    faults.push(...(await look(walk, address)).map((fault) => `${address.path}: ${fault}`));
  }
  expect(addresses.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['/login', '/reset', '/invite', '/resource-login']),
  );
  expect(faults).toEqual([]);
});

it.runIf(WITH_PICTURES)('the three pages of the README are drawn anew', async () => {
  const visitor = await dashboard.signedIn();
  const walk = await Walk.begin(visitor, '/orgs');
  const addresses = await walk.addresses(org.ids);
  const sizes: number[] = [];
  for (const [name, shown] of Object.entries(SHOWN)) {
    await walk.load(addresses.find(({ route }) => route === shown)!.path);
    sizes.push(await takeWebp(walk.page, name));
  }
  expect(Math.max(...sizes)).toBeLessThan(80_000);
});
