import { describe, expect, it } from 'vitest';
import { type RoutedTarget, type RouteRow, type RouteSettings, RouteTable, type SiteStanding } from './route-table.js';

const site = (siteId: number, approved = true): SiteStanding => ({ siteId, approved, type: 'newt' });
const target = (targetId: number, siteId: number, more: Partial<RoutedTarget> = {}): RoutedTarget => ({
  targetId,
  siteId,
  ip: '10.0.0.1',
  port: 80,
  method: 'http',
  enabled: true,
  path: null,
  pathMatchType: null,
  rewritePath: null,
  rewritePathType: null,
  priority: 100,
  insecureTls: false,
  unhealthy: false,
  ...more,
});
type More = Partial<Omit<RouteRow, 'settings'>> & { settings?: Partial<RouteSettings> };
const row = (resourceId: number, domain: string, { settings, ...more }: More = {}): RouteRow => ({
  settings: {
    resourceId,
    orgId: 'acme',
    name: 'App',
    domain,
    ssl: true,
    blockAccess: false,
    stickySession: false,
    setHostHeader: null,
    tlsServerName: null,
    responseTimeoutSeconds: 60,
    staleSeconds: null,
    headers: null,
    postAuthPath: null,
    maintenance: null,
    protection: { sso: true, password: false, pincode: false, headerAuth: false, whitelist: false, skipToIdpId: null },
    ...settings,
  },
  rules: [],
  targets: [],
  fingerprint: '1',
  orgClosed: false,
  ...more,
});
const tableOf = (...rows: RouteRow[]) => withSites([], ...rows);
const withSites = (sites: SiteStanding[], ...rows: RouteRow[]) => {
  const table = new RouteTable();
  table.apply(
    rows.map(({ settings }) => settings.resourceId),
    rows,
    sites,
  );
  return table;
};
const idAt = (table: RouteTable, name: string) => table.find(name)?.settings.resourceId;

describe('hosts', () => {
  it('lead to resources, a name before what covers it', () => {
    const table = tableOf(row(1, 'a.example'), row(2, '*.example'));
    expect(['a.example', 'b.example', 'a.b.example', 'example'].map((name) => idAt(table, name))).toEqual([
      1,
      2,
      undefined,
      undefined,
    ]);
    expect([table.size, table.get(1)?.fingerprint]).toEqual([2, '1']);
  });

  it('change with their resource, and go with it', () => {
    const table = tableOf(row(1, 'a.example'), row(2, 'b.example'));
    table.apply([1], [row(1, 'c.example', { fingerprint: '2' })], []);
    expect(['a.example', 'b.example', 'c.example'].map((name) => idAt(table, name))).toEqual([undefined, 2, 1]);
    expect(table.get(1)?.fingerprint).toBe('2');
    table.apply([1, 2], [], []);
    expect([table.size, idAt(table, 'b.example'), idAt(table, 'c.example')]).toEqual([0, undefined, undefined]);
  });

  it.each([
    ['together', [[1, 2]]],
    ['one after the other', [[1], [2]]],
    ['the other way round', [[2], [1]]],
  ])('stay with who has them when two resources swap them, read %s', (_, batches) => {
    const table = tableOf(row(1, 'a.example'), row(2, 'b.example'));
    const swapped = [row(1, 'b.example'), row(2, 'a.example')];
    for (const ids of batches)
      table.apply(
        ids,
        swapped.filter(({ settings }) => ids.includes(settings.resourceId)),
        [],
      );
    expect([idAt(table, 'a.example'), idAt(table, 'b.example'), table.size]).toEqual([2, 1, 2]);
  });

  it('of a closed organization are nobody else’s', () => {
    const table = tableOf(
      row(1, 'a.example', { orgClosed: true }),
      row(2, '*.example', { settings: { orgId: 'other' } }),
    );
    expect([idAt(table, 'a.example'), idAt(table, 'b.example')]).toEqual([undefined, 2]);
    table.setOrgs(['acme', 'other', 'unknown'], ['other']);
    expect([idAt(table, 'a.example'), idAt(table, 'b.example')]).toEqual([1, undefined]);
    expect([...table.orgIds]).toEqual(['acme', 'other']);
  });
});

describe('sites', () => {
  const two = () =>
    withSites(
      [site(7), site(8, false)],
      row(1, 'a.example', { targets: [target(1, 7), target(2, 7), target(3, 8)] }),
      row(2, 'b.example', { targets: [target(4, 7)] }),
    );

  it('are known while a target leads to them', () => {
    const table = two();
    expect([table.site(7), table.site(8), table.site(9)]).toEqual([site(7), site(8, false), undefined]);
    table.apply([1], [], []);
    expect([...table.siteIds]).toEqual([7]);
    const rows = [row(2, 'b.example', { targets: [target(5, 9), target(6, 7)] })];
    expect(table.unknownSites(rows)).toEqual([9]);
    table.apply([2], rows, [site(9)]);
    expect([table.site(7), table.site(9)]).toEqual([site(7), site(9)]);
    table.apply([2], [row(2, 'b.example')], []);
    expect([...table.siteIds]).toEqual([]);
  });

  it('change by themselves, and are not approved once they are gone', () => {
    const table = two();
    table.setSites([7, 8, 9], [site(8), site(9)]);
    expect([table.site(7)?.approved, table.site(8)?.approved, table.site(9)]).toEqual([false, true, undefined]);
  });

  it('of which nothing was found are not approved', () => {
    const table = two();
    table.apply([2], [row(2, 'b.example', { targets: [target(4, 9)] })], []);
    expect(table.site(9)?.approved).toBe(false);
  });
});

describe('a route', () => {
  it('has its rules and targets, the same ones until it changes', () => {
    const table = withSites(
      [site(7)],
      row(1, 'a.example', {
        rules: [{ ruleId: 1, action: 'DROP', match: 'PATH', value: '/admin/*', priority: 1, enabled: true }],
        targets: [target(1, 7, { unhealthy: true }), target(2, 7)],
      }),
    );
    const route = table.find('a.example')!;
    expect([route.rules.decidesByPath, route.targets.decidesByPath]).toEqual([true, false]);
    const [{ rules }, { targets }] = [route, route];
    expect([rules === route.rules, targets === route.targets]).toEqual([true, true]);
    expect([1, 2, 3].map((id) => route.isUnhealthy(id))).toEqual([true, false, false]);
    const states = {
      isOnline: (id: number) => table.site(id)?.approved === true,
      isUnhealthy: (id: number) => route.isUnhealthy(id),
    };
    expect(route.targets.choose('/', states)).toMatchObject({ targetId: 2 });
  });

  it('is listed by its organization', () => {
    const table = tableOf(row(1, 'a.example'), row(2, 'b.example', { settings: { orgId: 'other' } }));
    expect([table.resourceIds(), table.resourceIds('other'), table.resourceIds('none')]).toEqual([[1, 2], [2], []]);
  });
});
