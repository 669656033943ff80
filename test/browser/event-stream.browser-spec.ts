import type { Page, Request } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Dashboard, type Visitor } from '../support/browser/dashboard.js';
import { FixtureOrg } from '../support/fixture-org.js';
import { until } from '../support/server.js';

/** A name that resolves to this machine, and whose pages a browser does not trust as it trusts 127.0.0.1: no Web Locks there. */
const PLAIN = 'gatehouse.test';

let dashboard: Dashboard;
let fixture: FixtureOrg;
beforeAll(async () => {
  dashboard = await Dashboard.open({ browserArgs: [`--host-resolver-rules=MAP ${PLAIN} 127.0.0.1`] });
  fixture = await FixtureOrg.open(dashboard.server);
});
afterEach(() => dashboard.settle());
afterAll(() => dashboard?.close());

/** Streams that pages of a browser hold, by what they asked for. */
function streamsOf(visitor: Visitor): () => number {
  let open = 0;
  visitor.context.on('request', (request) => {
    if (request.url().includes('/events/stream')) open++;
  });
  const ended = (request: Request): void => {
    if (request.url().includes('/events/stream')) open--;
  };
  visitor.context.on('requestfinished', ended);
  visitor.context.on('requestfailed', ended);
  return () => open;
}

const shows = (page: Page, count: number): Promise<void> => page.getByText(`${count} sites`, { exact: true }).waitFor();

describe.each([
  ['with Web Locks', () => dashboard.server.url],
  ['over plain HTTP from elsewhere, where there are none', () => `http://${PLAIN}:${dashboard.server.port}`],
])('eight tabs, %s', (_where, url) => {
  it('share one stream, all of them are current, and another takes over', async () => {
    const visitor = await dashboard.signedIn(undefined, { baseURL: url() });
    // What a browser says of headers that mean nothing over plain HTTP.
    visitor.expectComplaint(/Cross-Origin-Opener-Policy|Origin-Agent-Cluster/);
    const streams = streamsOf(visitor);
    const pages: Page[] = [];
    for (let tab = 0; tab < 8; tab++) pages.push(await visitor.goTo(`/org/${fixture.orgId}/sites`));
    const { sites, pagination } = await fixture.root.expect<{ sites: object[]; pagination: { total: number } }>(
      'GET',
      fixture.path('sites?pageSize=1'),
    );
    expect(sites).toHaveLength(1);
    for (const page of pages) await shows(page, pagination.total);
    await until(() => streams() === 1);
    expect(await pages[0]!.evaluate('Boolean(navigator.locks)')).toBe(url() === dashboard.server.url);

    await fixture.site('approved');
    for (const page of pages) await shows(page, pagination.total + 1);

    await pages.shift()!.close();
    await until(() => streams() === 1);
    await fixture.site('approved');
    for (const page of pages) await shows(page, pagination.total + 2);
  });
});
