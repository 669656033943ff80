import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { PgNotifications } from '#platform';
import { Visitor } from '../../src/edge/policy/rules.js';
import { RouteLoader } from '../../src/edge/routing/route-loader.js';
import { type Route, RouteTable } from '../../src/edge/routing/route-table.js';
import { RoutesRepository } from '../../src/edge/routing/routes.repository.js';
import { ResourceWriter } from '../../src/resources/index.js';
import { TestOrg } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { until } from '../support/server.js';

let database: TestDatabase;
let proxy: DatabaseProxy;
let server: StartedApp;
let org: TestOrg;
let table: RouteTable;
let loader: RouteLoader;
let repository: RoutesRepository;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await DatabaseProxy.start(database.url);
  server = await startApp(proxy.url, { BASE_DOMAIN: 'gate.example.net' });
  org = await TestOrg.create(server.root);
  table = server.app.get(RouteTable);
  loader = server.app.get(RouteLoader);
  repository = server.app.get(RoutesRepository);
});
afterEach(() => vi.restoreAllMocks());
afterAll(async () => {
  await server?.close();
  await proxy?.stop();
  await database?.drop();
});

/** Beside the server, which hears of it by notices alone. */
const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
let serial = 0;
interface Resource {
  resourceId: number;
  fullDomain: string;
}
async function domainOf({ path, root }: TestOrg): Promise<string> {
  const { domains } = await root.expect<{ domains: { domainId: string }[] }>('GET', path('domains'));
  return domains[0]!.domainId;
}
const resource = async (more: object = {}, of = org): Promise<Resource> =>
  server.root.expect('PUT', of.path('resource'), {
    name: 'App',
    http: true,
    protocol: 'tcp',
    domainId: await domainOf(of),
    subdomain: `r${++serial}`,
    ...more,
  });
const site = async (): Promise<number> =>
  (await server.root.expect<{ siteId: number }>('PUT', org.path('site'), { name: `site ${++serial}`, type: 'newt' }))
    .siteId;
const change = (path: string, body: object) => server.root.expect<object>('POST', path, body);
const target = (resourceId: number, siteId: number, more: object = {}) =>
  server.root.expect<{ targetId: number }>('PUT', `/resource/${resourceId}/target`, {
    siteId,
    ip: '10.0.0.9',
    port: 80,
    method: 'http',
    ...more,
  });
/** Once the table has it so. */
const follows = (fullDomain: string, is: (route: Route) => boolean) =>
  until(() => {
    const route = table.find(fullDomain);
    return route !== undefined && is(route) && route;
  });
const isGone = (fullDomain: string) => until(() => table.find(fullDomain) === undefined);
const judge = (route: Route, address: string) =>
  route.rules.judge(new Visitor(address, { country: () => undefined, asn: () => undefined }), '/')?.action;
const choose = (route: Route, from = table) =>
  route.targets.choose('/', {
    isOnline: (siteId) => from.site(siteId)?.approved === true,
    isUnhealthy: (targetId) => route.isUnhealthy(targetId),
  });

describe('the route table follows', () => {
  it('a resource that is made, set, switched off and on, renamed and deleted', async () => {
    const { resourceId, fullDomain } = await resource();
    const made = await follows(fullDomain, () => true);
    expect(made.settings).toEqual({
      resourceId,
      orgId: org.orgId,
      name: 'App',
      domain: fullDomain,
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
      protection: {
        sso: true,
        password: false,
        pincode: false,
        headerAuth: false,
        whitelist: false,
        skipToIdpId: null,
      },
    });
    await change(`/resource/${resourceId}`, {
      ssl: false,
      sso: false,
      blockAccess: true,
      stickySession: true,
      setHostHeader: 'inner.example',
      tlsServerName: 'tls.example',
      responseTimeoutSeconds: 5,
      staleSeconds: 0,
      headers: [{ name: 'X-Team', value: 'blue' }],
      maintenanceModeEnabled: true,
      maintenanceModeType: 'automatic',
      maintenanceTitle: 'Back soon',
    });
    await change(`/resource/${resourceId}/pincode`, { pincode: '123456' });
    const set = await follows(fullDomain, ({ settings }) => settings.protection.pincode);
    expect(set.settings).toMatchObject({
      ssl: false,
      blockAccess: true,
      stickySession: true,
      setHostHeader: 'inner.example',
      tlsServerName: 'tls.example',
      responseTimeoutSeconds: 5,
      staleSeconds: 0,
      headers: [{ name: 'X-Team', value: 'blue' }],
      maintenance: { type: 'automatic', title: 'Back soon', message: null, estimatedTime: null },
      protection: { sso: false, pincode: true },
    });
    await change(`/resource/${resourceId}`, { enabled: false });
    await isGone(fullDomain);
    await change(`/resource/${resourceId}`, { enabled: true, subdomain: `renamed${serial}` });
    const renamed = `renamed${serial}.gate.example.net`;
    await follows(renamed, () => true);
    expect(table.find(fullDomain)).toBeUndefined();
    await server.root.expect('DELETE', `/resource/${resourceId}`);
    await isGone(renamed);
  });

  it('neither raw resources nor those that wait for a site', async () => {
    const { resourceId, fullDomain } = await resource();
    await follows(fullDomain, () => true);
    await server.root.expect('PUT', org.path('resource'), {
      name: 'Raw',
      http: false,
      protocol: 'tcp',
      proxyPort: 7000,
    });
    await sql('UPDATE resource SET staged_by = $2 WHERE resource_id = $1', [resourceId, await site()]);
    await isGone(fullDomain);
    expect(table.resourceIds().map((id) => table.get(id)!.settings.domain)).not.toContain(null);
    await sql('UPDATE resource SET staged_by = NULL WHERE resource_id = $1', [resourceId]);
    await follows(fullDomain, () => true);
  });

  it('rules, where they are applied', async () => {
    const { resourceId, fullDomain } = await resource();
    const rule = { action: 'DROP', match: 'IP', value: '192.0.2.1', priority: 1 };
    const { ruleId } = await server.root.expect<{ ruleId: number }>('PUT', `/resource/${resourceId}/rule`, rule);
    expect(judge(await follows(fullDomain, () => true), '192.0.2.1')).toBeUndefined();
    await change(`/resource/${resourceId}`, { applyRules: true });
    await follows(fullDomain, (route) => judge(route, '192.0.2.1') === 'DROP');
    await change(`/resource/${resourceId}/rule/${ruleId}`, { priority: 1, value: '192.0.2.2' });
    const moved = await follows(fullDomain, (route) => judge(route, '192.0.2.2') === 'DROP');
    expect(judge(moved, '192.0.2.1')).toBeUndefined();
    await server.root.expect('DELETE', `/resource/${resourceId}/rule/${ruleId}`);
    await follows(fullDomain, (route) => judge(route, '192.0.2.2') === undefined);
  });

  it('targets, their health, and sites that are suspended, approved and deleted', async () => {
    const { resourceId, fullDomain } = await resource();
    const [siteId, other] = [await site(), await site()];
    const { targetId } = await target(resourceId, siteId, { hcEnabled: true });
    const chosen = (is: unknown) =>
      follows(fullDomain, (route) => {
        const found = choose(route);
        return (typeof found === 'string' ? found : found.targetId) === is;
      });
    await chosen(targetId);
    expect(choose(table.find(fullDomain)!)).toMatchObject({ siteId, ip: '10.0.0.9', port: 80, method: 'http' });
    expect(table.site(siteId)).toEqual({ siteId, approved: true, type: 'newt' });

    const tell = (health: 'healthy' | 'unhealthy') =>
      server.db.tx((tx) => server.app.get(ResourceWriter).recordHealth(tx, [{ siteId, targetId, health }]));
    await tell('unhealthy');
    await chosen('no_healthy_target');
    await tell('healthy');
    await chosen(targetId);

    await change(`/site/${siteId}`, { status: 'pending' });
    await chosen('site_offline');
    await change(`/site/${siteId}`, { status: 'approved' });
    await chosen(targetId);

    await change(`/target/${targetId}`, { siteId: other, ip: '10.0.0.9', port: 81 });
    await follows(fullDomain, (route) => (choose(route) as { port?: number }).port === 81);
    expect([table.site(siteId), table.site(other)?.approved]).toEqual([undefined, true]);
    await server.root.expect('DELETE', `/site/${other}`);
    await chosen('no_healthy_target');
    expect(table.site(other)).toBeUndefined();
  });

  it('a domain that is deleted, which takes the names with it', async () => {
    const { domainId } = await server.root.expect<{ domainId: string }>('PUT', org.path('domain'), {
      type: 'wildcard',
      baseDomain: 'gone.example.com',
    });
    const { fullDomain } = await resource({ domainId });
    await follows(fullDomain, () => true);
    await server.root.expect('DELETE', org.path(`domain/${domainId}`));
    await isGone(fullDomain);
  });

  it('an organization that is closed, reopened and deleted, and no other', async () => {
    const closing = await TestOrg.create(server.root);
    const [inside, outside] = [await resource({}, closing), await resource()];
    await follows(inside.fullDomain, () => true);
    await change(closing.path('close'), {});
    await isGone(inside.fullDomain);
    expect(table.find(outside.fullDomain)).toBeDefined();
    await change(closing.path('reopen'), {});
    await follows(inside.fullDomain, () => true);
    await server.root.expect('DELETE', `/org/${closing.orgId}`);
    await isGone(inside.fullDomain);
    expect([...table.orgIds]).not.toContain(closing.orgId);
  });

  it('a statement on more resources than a notice names', async () => {
    const many = await TestOrg.create(server.root);
    const rows = await sql<{ domain: string }>(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, full_domain)
       SELECT $1, 'n' || i, 'many', true, 'tcp', 'many' || i || '.gate.example.net' FROM generate_series(1, 1200) i RETURNING full_domain AS domain`,
      [many.orgId],
    );
    const domains = rows.map(({ domain }) => domain);
    await until(() => domains.every((domain) => table.find(domain)?.settings.blockAccess === false));
    await sql('UPDATE resource SET block_access = true WHERE org_id = $1', [many.orgId]);
    await until(() => domains.every((domain) => table.find(domain)?.settings.blockAccess));
    await sql('UPDATE resource SET enabled = false WHERE org_id = $1', [many.orgId]);
    await until(() => domains.every((domain) => table.find(domain) === undefined));
    expect(table.resourceIds(many.orgId)).toEqual([]);
  });

  it('names that two resources swap', async () => {
    const [a, b] = [await resource(), await resource()];
    await follows(b.fullDomain, () => true);
    const rename = 'UPDATE resource SET full_domain = $2 WHERE resource_id = $1';
    await server.db.tx(async (tx) => {
      await tx.query(rename, [a.resourceId, 'aside.gate.example.net']);
      await tx.query(rename, [b.resourceId, a.fullDomain]);
      await tx.query(rename, [a.resourceId, b.fullDomain]);
    });
    await follows(a.fullDomain, ({ settings }) => settings.resourceId === b.resourceId);
    await follows(b.fullDomain, ({ settings }) => settings.resourceId === a.resourceId);
  });
});

describe('the loader', () => {
  it('reads what changes at once in one statement', async () => {
    const resources = [await resource(), await resource(), await resource()];
    await until(() => resources.every(({ fullDomain }) => table.find(fullDomain)));
    const read = vi.spyOn(repository, 'routes');
    await server.db.tx(async (tx) => {
      for (const { resourceId } of resources)
        await tx.query('UPDATE resource SET block_access = true WHERE resource_id = $1', [resourceId]);
    });
    await until(() => resources.every(({ fullDomain }) => table.find(fullDomain)?.settings.blockAccess));
    expect(read.mock.calls.map(([, ids]) => ids.toSorted((a, b) => a - b))).toContainEqual(
      resources.map(({ resourceId }) => resourceId),
    );
  });

  it('loses no notice that comes during a load, of a resource or of a site that it does not know yet', async () => {
    const { resourceId, fullDomain } = await resource();
    const siteId = await site();
    const { targetId } = await target(resourceId, siteId);
    const [notifications, fresh] = [server.app.get(PgNotifications), new RouteTable()];
    const heard = new Set<string>();
    notifications.on('resource_changed', (payload) => void heard.add(payload));
    notifications.on('site_changed', (payload) => void heard.add(payload));
    const own = new RoutesRepository();
    const loading = new RouteLoader(server.db, notifications, own, fresh);
    loading.onModuleInit();
    // What was read is old before it is taken in.
    const old: unknown[] = [];
    const { routes, sites } = RoutesRepository.prototype;
    vi.spyOn(own, 'routes').mockImplementation(async (em, ids) => {
      const rows = await routes.call(own, em, ids);
      const row = rows.find(({ settings }) => settings.resourceId === resourceId);
      if (!row || old.length > 0) return rows;
      old.push(row.settings.blockAccess);
      await sql('UPDATE resource SET block_access = true WHERE resource_id = $1', [resourceId]);
      await until(() => [...heard].some((one) => one.includes(`[${resourceId}]`)));
      return rows;
    });
    vi.spyOn(own, 'sites').mockImplementation(async (em, ids) => {
      const found = await sites.call(own, em, ids);
      const standing = found.find((one) => one.siteId === siteId);
      if (!standing || old.length > 1) return found;
      old.push(standing.approved);
      await sql(`UPDATE site SET status = 'pending' WHERE site_id = $1`, [siteId]);
      await sql(`SELECT pg_notify('site_changed', $1)`, [String(siteId)]);
      await until(() => heard.has(String(siteId)));
      return found;
    });
    heard.clear();
    loading.onApplicationBootstrap();
    await until(() => loading.ageSeconds === 0);
    expect(old).toEqual([false, true]);
    const route = fresh.find(fullDomain)!;
    expect(route.settings.blockAccess).toBe(true);
    expect(choose(route, fresh)).toBe('site_offline');
    await change(`/site/${siteId}`, { status: 'approved' });
    await until(() => (choose(route, fresh) as { targetId?: number }).targetId === targetId);
    await loading.onApplicationShutdown();
  });

  it('tries again what could not be read', async () => {
    const { resourceId, fullDomain } = await resource();
    await follows(fullDomain, () => true);
    const failing = vi.spyOn(repository, 'routes').mockRejectedValueOnce(new Error('not now'));
    await change(`/resource/${resourceId}`, { blockAccess: true });
    await follows(fullDomain, ({ settings }) => settings.blockAccess);
    expect(failing.mock.calls.length).toBeGreaterThan(1);

    const [own, fresh] = [new RoutesRepository(), new RouteTable()];
    vi.spyOn(own, 'fingerprints').mockRejectedValueOnce(new Error('not now'));
    const loading = new RouteLoader(server.db, server.app.get(PgNotifications), own, fresh);
    loading.onModuleInit();
    expect([loading.isLoaded, loading.ageSeconds > 0]).toEqual([false, true]);
    loading.onApplicationBootstrap();
    await until(() => loading.isLoaded);
    expect([fresh.size, loading.ageSeconds]).toEqual([table.size, 0]);
    await loading.onApplicationShutdown();
  });

  it('knows since when it is blind, and compares all before it counts as current', async () => {
    const [blocked, deleted, gone, same] = [await resource(), await resource(), await resource(), await resource()];
    const closing = await TestOrg.create(server.root);
    const inside = await resource({}, closing);
    const siteId = await site();
    await target(blocked.resourceId, siteId);
    await follows(inside.fullDomain, () => true);
    await follows(blocked.fullDomain, (route) => typeof choose(route) !== 'string');
    expect(loader.ageSeconds).toBe(0);

    await proxy.cut();
    const first = await until(() => loader.ageSeconds);
    await sql('UPDATE resource SET block_access = true WHERE resource_id = $1', [blocked.resourceId]);
    await sql('DELETE FROM resource WHERE resource_id = $1', [deleted.resourceId]);
    await sql('UPDATE resource SET enabled = false WHERE resource_id = $1', [gone.resourceId]);
    const [made] = await sql<{ id: number }>(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, full_domain) VALUES ($1, 'while-blind', 'new', true, 'tcp', 'new.gate.example.net')
       RETURNING resource_id AS id`,
      [org.orgId],
    );
    await sql(`UPDATE site SET status = 'pending' WHERE site_id = $1`, [siteId]);
    await sql('UPDATE org SET closed_at = now() WHERE org_id = $1', [closing.orgId]);
    // What is known serves on, for as long as whoever asks finds its age right.
    await until(() => loader.ageSeconds > first + 0.1);
    expect(table.find(blocked.fullDomain)!.settings.blockAccess).toBe(false);
    expect(table.find(inside.fullDomain)).toBeDefined();

    const read = vi.spyOn(repository, 'routes');
    await proxy.restore();
    await until(() => loader.ageSeconds === 0);
    const now = table.find(blocked.fullDomain)!;
    expect(now.settings.blockAccess).toBe(true);
    expect(choose(now)).toBe('site_offline');
    for (const { fullDomain } of [deleted, gone, inside]) expect(table.find(fullDomain)).toBeUndefined();
    expect(table.find('new.gate.example.net')?.settings.name).toBe('new');
    const asked = new Set(read.mock.calls.flatMap(([, ids]) => ids));
    expect(asked.has(same.resourceId)).toBe(false);
    for (const id of [blocked.resourceId, deleted.resourceId, gone.resourceId, made!.id]) expect(asked).toContain(id);
  });
});
