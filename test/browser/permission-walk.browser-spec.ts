import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Dashboard } from '../support/browser/dashboard.js';
import { ONLY_ASKED, Presses } from '../support/browser/presses.js';
import { type Seen, Walk } from '../support/browser/walk.js';
import { RealisticOrg, ROLES, type RoleName } from '../support/realistic-org.js';
import { until } from '../support/server.js';

let dashboard: Dashboard;
let org: RealisticOrg;
/** What the navigation shows to who may do everything. */
let places: string[];
beforeAll(async () => {
  dashboard = await Dashboard.open();
  org = await RealisticOrg.open(dashboard.server);
  places = await (await begin('Admin')).navigation();
  await dashboard.settle();
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

async function begin(role: RoleName): Promise<Walk> {
  const visitor = await dashboard.signedIn(org.people[role]);
  // Each answer is judged below.
  visitor.expectComplaint(/\b40[03]\b/);
  const walk = await Walk.begin(visitor, `/org/${org.orgId}`);
  await until(async () => (await walk.navigation()).length > 0);
  return walk;
}

/** What is wrong with a page for somebody who holds these actions. */
function faultsOf({ isLacking, heading, actions, ...seen }: Seen, held: ReadonlySet<string>): string[] {
  const refused = seen.refused.filter((answer) => !ONLY_ASKED.test(answer));
  const mayAll = actions.every((action) => held.has(action));
  return [
    // A page that one may see asks for nothing that one may not; one that one may not see says so, and need not ask.
    ...(isLacking && mayAll && refused.every((answer) => answer.startsWith('403')) ? [] : refused),
    ...(!mayAll && !isLacking ? [`needs ${actions.join(', ')}, and is shown`] : []),
    ...(isLacking && mayAll && actions.length > 0 && refused.length === 0 ? ['is allowed, and not shown'] : []),
    ...(isLacking || heading ? [] : ['has no heading']),
  ];
}

it.each(ROLES)('%s sees and is offered what the role allows', async (role) => {
  const walk = await begin(role);
  const presses = await Presses.begin(walk);
  const held = await walk.page.evaluate<string[]>(
    `fetch('/api/v1/org/${org.orgId}/my-actions').then((answer) => answer.json()).then(({ data }) => data.actionIds)`,
  );
  const navigation = new Set(await walk.navigation());
  const faults: string[] = [];
  const shown: string[] = [];
  for (const { path, isFramed } of await walk.addresses(org.ids)) {
    if (!isFramed) continue;
    const seen = await walk.to(path);
    faults.push(...faultsOf(seen, new Set(held)).map((fault) => `${path}: ${fault}`));
    if (seen.isLacking || seen.path !== path) {
      if (navigation.has(path)) faults.push(`${path}: is in the navigation, and leads to ${seen.path}, which says no`);
      continue;
    }
    shown.push(path);
    if (places.includes(path) && !navigation.has(path)) faults.push(`${path}: is not in the navigation`);
    // Everything is allowed to an administrator of the organization.
    if (role !== 'Admin') faults.push(...(await presses.all()));
  }
  console.log(`${role}: ${shown.length} pages, ${navigation.size} places, ${presses.count} changes tried`);
  expect(faults).toEqual([]);
  expect(shown).toContain(`/org/${org.orgId}/my-resources`);
  expect(shown.includes(`/org/${org.orgId}/sites`)).toBe(role !== 'Member');
});
