import { describe, expect, it } from 'vitest';
import {
  app,
  BODY,
  create,
  resource,
  resourceId,
  setUpTargets,
  site,
  siteId,
  type Target,
  update,
} from '../support/targets.js';

setUpTargets();

const put = (id: number, more: object = {}) =>
  app.root.put<Target>(`/resource/${id}/target`, { ...BODY, siteId, ...more });
const read = (id: number) => app.root.expect<Target>('GET', `/target/${id}`);
const desired = async (id: number) =>
  (await app.root.expect<{ desiredVersion: number }>('GET', `/site/${id}`)).desiredVersion;
const FULL = {
  ip: 'app_1.internal',
  port: 8443,
  method: 'https',
  insecureTls: true,
  enabled: false,
  path: '/api',
  pathMatchType: 'prefix',
  rewritePath: '/',
  rewritePathType: 'stripPrefix',
  priority: 7,
  hcEnabled: true,
  hcPath: '/health',
  hcScheme: 'https',
  hcMode: 'http',
  hcHostname: 'app.internal',
  hcPort: 8444,
  hcInterval: 10,
  hcUnhealthyInterval: 5,
  hcTimeout: 2,
  hcHeaders: [{ name: 'Host', value: 'app.internal' }],
  hcFollowRedirects: false,
  hcMethod: 'HEAD',
  hcStatus: 204,
  hcTlsServerName: 'tls.internal',
  hcHealthyThreshold: 2,
  hcUnhealthyThreshold: 3,
};

describe('create', () => {
  it('fills in the defaults, and null for the rest of the health check', async () => {
    const made = await create({ ip: 'localhost', port: 8080 });
    expect(made).toEqual({
      targetId: made.targetId,
      resourceId,
      siteId,
      ip: 'localhost',
      mode: 'http',
      method: 'http',
      insecureTls: false,
      port: 8080,
      internalPort: made.internalPort,
      enabled: true,
      path: null,
      pathMatchType: null,
      rewritePath: null,
      rewritePathType: null,
      priority: 100,
      targetHealthCheckId: made.targetId,
      orgId: 'acme',
      name: null,
      hcEnabled: false,
      hcPath: null,
      hcScheme: null,
      hcMode: null,
      hcHostname: null,
      hcPort: null,
      hcInterval: null,
      hcUnhealthyInterval: null,
      hcTimeout: null,
      hcHeaders: null,
      hcFollowRedirects: null,
      hcMethod: null,
      hcStatus: null,
      hcHealth: 'unknown',
      hcTlsServerName: null,
      hcHealthyThreshold: null,
      hcUnhealthyThreshold: null,
      hcLastError: null,
      hcToldAt: null,
    });
    expect(made.internalPort).toBeGreaterThanOrEqual(40_000);
    expect(made.internalPort).toBeLessThanOrEqual(65_534);
    expect(await read(made.targetId)).toEqual(made);
  });

  it('keeps every field as it was sent; headers are text in the answer and a list in a read', async () => {
    const made = await create(FULL);
    expect(made).toMatchObject({ ...FULL, hcHeaders: JSON.stringify(FULL.hcHeaders), hcHealth: 'unknown' });
    expect(await read(made.targetId)).toMatchObject(FULL);
  });

  it.each(['10.0.0.1', '2001:db8::1', 'localhost', 'my_container', 'a.b-c.example.com'])(
    'takes the backend %s',
    async (ip) => {
      expect((await create({ ip })).ip).toBe(ip);
    },
  );

  it.each([
    [{ siteId: undefined }, 'siteId'],
    [{ siteId: 0 }, 'siteId'],
    [{ siteId: '1' }, 'siteId'],
    [{ ip: undefined }, 'ip'],
    [{ ip: '' }, 'ip'],
    [{ ip: '300.1.1.1' }, 'ip'],
    [{ ip: 'a b' }, 'ip'],
    [{ ip: '-a' }, 'ip'],
    [{ ip: 'http://a' }, 'ip'],
    [{ port: undefined }, 'port'],
    [{ port: 0 }, 'port'],
    [{ port: 65_536 }, 'port'],
    [{ port: 1.5 }, 'port'],
    [{ method: '' }, 'method'],
    [{ method: 'x'.repeat(11) }, 'method'],
    [{ enabled: null }, 'enabled'],
    [{ path: '(', pathMatchType: 'regex' }, 'path'],
    [{ path: '^/a(?=b)', pathMatchType: 'regex' }, 'path'],
    [{ path: '(a', pathMatchType: 'prefix', rewritePathType: 'regex' }, 'path'],
    [{ pathMatchType: 'glob' }, 'pathMatchType'],
    [{ rewritePathType: 'x' }, 'rewritePathType'],
    [{ priority: 0 }, 'priority'],
    [{ priority: 1001 }, 'priority'],
    [{ hcEnabled: null }, 'hcEnabled'],
    [{ hcPath: '' }, 'hcPath'],
    [{ hcPort: 0 }, 'hcPort'],
    [{ hcInterval: 0 }, 'hcInterval'],
    [{ hcUnhealthyInterval: 0 }, 'hcUnhealthyInterval'],
    [{ hcTimeout: 0 }, 'hcTimeout'],
    [{ hcHealthyThreshold: 0 }, 'hcHealthyThreshold'],
    [{ hcUnhealthyThreshold: 0 }, 'hcUnhealthyThreshold'],
    [{ hcMethod: '' }, 'hcMethod'],
    [{ hcStatus: 'ok' }, 'hcStatus'],
    [{ hcHeaders: [{ name: 'a' }] }, 'hcHeaders.0.value'],
    [{ hcHealth: 'healthy' }, 'hcHealth'],
    [{ internalPort: 40_000 }, 'internalPort'],
  ])('refuses %j, naming the field', async (more, path) => {
    expect(await put(resourceId, more)).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path }] },
    });
  });

  it("a site of another organization is 404, like one that does not exist; so is another organization's resource", async () => {
    for (const id of [await site('other'), 99_999_999])
      expect(await put(resourceId, { siteId: id })).toMatchObject({ status: 404, body: { message: 'Site not found' } });
    const key = await app.orgKey('acme', 'createTarget');
    expect((await key.put(`/resource/${await resource('other')}/target`, { ...BODY, siteId })).status).toBe(404);
  });

  it('a local site has no internal port; null for priority is the default', async () => {
    const local = await site('acme', 'local');
    expect(await create({ siteId: local, priority: null })).toMatchObject({ internalPort: null, priority: 100 });
  });

  it('tells the site', async () => {
    const own = await site('acme');
    const before = await desired(own);
    const { targetId } = await create({ siteId: own });
    expect(await desired(own)).toBe(before + 1);
    await update(targetId, { siteId: own, port: 81 });
    expect(await desired(own)).toBe(before + 2);
    const next = await site('acme');
    const other = await desired(next);
    await update(targetId, { siteId: next });
    expect([await desired(own), await desired(next)]).toEqual([before + 3, other + 1]);
    await app.root.expect('DELETE', `/target/${targetId}`);
    expect(await desired(next)).toBe(other + 2);
  });
});

describe('internal ports', () => {
  it('are different at one site, whoever comes at once', async () => {
    const own = await site('acme');
    const made = await Promise.all(Array.from({ length: 60 }, () => create({ siteId: own })));
    expect(new Set(made.map((t) => t.internalPort)).size).toBe(60);
  });

  it('are found when few are left, and 409 when none is', async () => {
    const own = await site('acme');
    await app.sql(
      `INSERT INTO target (org_id, resource_id, site_id, ip, port, internal_port) SELECT 'acme', $1, $2, 'x', 1, p FROM generate_series(40000, 65534) p WHERE p NOT IN (50000, 50001, 50002)`,
      [resourceId, own],
    );
    const made = await Promise.all([1, 2].map(() => create({ siteId: own })));
    const elsewhere = await create();
    expect(await update(elsewhere.targetId, { siteId: own })).toMatchObject({ siteId: own });
    const [row] = await app.sql<{ n: number }>(
      'SELECT count(DISTINCT internal_port) AS n FROM target WHERE site_id = $1',
      [own],
    );
    expect(row!.n).toBe(25_535);
    expect(made.map((t) => t.internalPort).every((p) => p! >= 50_000 && p! <= 50_002)).toBe(true);
    expect(await put(resourceId, { siteId: own })).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await app.sql('DELETE FROM target WHERE site_id = $1', [own]);
  });
});

describe('change', () => {
  it('keeps what is left out, but switches the health check off and clears its headers', async () => {
    const { targetId, internalPort } = await create(FULL);
    const changed = await update(targetId);
    expect(changed).toMatchObject({
      ...FULL,
      ip: BODY.ip,
      hcEnabled: false,
      hcHeaders: null,
      hcHealth: 'unknown',
      internalPort,
    });
    expect(await update(targetId, { hcEnabled: true, hcHeaders: FULL.hcHeaders })).toMatchObject({
      hcEnabled: true,
      hcHealth: 'unknown',
      hcHeaders: JSON.stringify(FULL.hcHeaders),
    });
    await app.sql(`UPDATE target SET hc_health = 'healthy' WHERE target_id = $1`, [targetId]);
    expect(await update(targetId, { hcEnabled: true, enabled: true })).toMatchObject({ hcHealth: 'healthy' });
  });

  it('a path that is matched as a pattern must be one, whichever of the two is changed', async () => {
    const { targetId } = await create({
      path: '^/(a|b)/.*$',
      pathMatchType: 'regex',
      rewritePath: '/$1',
      rewritePathType: 'regex',
    });
    const change = (more: object) => app.root.post<never>(`/target/${targetId}`, { ip: BODY.ip, siteId, ...more });
    for (const more of [{ path: '/(a' }, { path: '/(a', pathMatchType: 'exact' }])
      expect(await change(more)).toMatchObject({ status: 400, body: { fields: [{ path: 'path' }] } });
    expect(await update(targetId, { path: '/(a', pathMatchType: null })).toMatchObject({
      path: '/(a',
      pathMatchType: null,
      rewritePathType: null,
    });
    expect((await change({ pathMatchType: 'regex' })).status).toBe(400);
    expect((await change({ pathMatchType: 'exact' })).status).toBe(200);
  });

  it('pathMatchType null clears the rewrite too; null clears any other field', async () => {
    const { targetId } = await create(FULL);
    expect(await update(targetId, { pathMatchType: null, hcStatus: null, method: null })).toMatchObject({
      path: '/api',
      pathMatchType: null,
      rewritePath: null,
      rewritePathType: null,
      hcStatus: null,
      method: null,
      hcMethod: 'HEAD',
    });
    expect(await update(targetId, { path: null })).toMatchObject({ path: null });
  });

  it('the internal port stays until the site changes', async () => {
    const { targetId, internalPort } = await create();
    expect((await update(targetId, { port: 81 })).internalPort).toBe(internalPort);
    const local = await site('acme', 'local');
    expect(await update(targetId, { siteId: local, hcEnabled: true })).toMatchObject({
      internalPort: null,
      hcHealth: 'unknown',
    });
    expect((await update(targetId)).internalPort).toBeGreaterThanOrEqual(40_000);
  });

  it.each([
    [{ ip: undefined }, 'ip'],
    [{ siteId: undefined }, 'siteId'],
    [{ priority: null }, 'priority'],
    [{ port: null }, 'port'],
    [{ method: '' }, 'method'],
    [{ enabled: null }, 'enabled'],
    [{ hcEnabled: null }, 'hcEnabled'],
    [{ color: 1 }, 'color'],
  ])('refuses %j, naming the field', async (more, path) => {
    const { targetId } = await create();
    expect(await app.root.post(`/target/${targetId}`, { ip: 'a', siteId, ...more })).toMatchObject({
      status: 400,
      body: { fields: [{ path }] },
    });
  });

  it("not to another organization's site, and not by a stale ETag", async () => {
    const { targetId } = await create();
    expect((await app.root.post(`/target/${targetId}`, { ip: 'a', siteId: await site('other') })).status).toBe(404);
    const tag = (await app.root.get(`/target/${targetId}`)).headers.get('etag')!;
    const api = app.root.as(app.root.authorization, { 'if-match': tag });
    const first = await api.post(`/target/${targetId}`, { ip: 'a', siteId });
    expect([first.status, (await api.post(`/target/${targetId}`, { ip: 'b', siteId })).status]).toEqual([200, 412]);
    expect(first.headers.get('etag')).not.toBe(tag);
    expect((await read(targetId)).ip).toBe('a');
  });

  it('what a check found does not change the ETag', async () => {
    const { targetId } = await create({ hcEnabled: true });
    const tag = async () => (await app.root.get(`/target/${targetId}`)).headers.get('etag');
    const before = await tag();
    await app.sql(`UPDATE target SET hc_health = 'healthy' WHERE target_id = $1`, [targetId]);
    expect(await tag()).toBe(before);
  });
});

describe('list and delete', () => {
  it('pages in shape A, in the order of creation', async () => {
    const id = await resource('acme');
    const made = [
      await create({ hcEnabled: true, hcHeaders: FULL.hcHeaders }, id),
      await create({}, id),
      await create({}, id),
    ];
    const list = await app.root.expect<{ targets: Target[]; pagination: object }>(
      'GET',
      `/v1/resource/${id}/targets?limit=2&offset=0`,
    );
    expect(list.pagination).toEqual({ total: 3, limit: 2, offset: 0 });
    expect(list.targets.map((t) => t.targetId)).toEqual(made.slice(0, 2).map((t) => t.targetId));
    expect(list.targets[0]).toMatchObject({
      siteId,
      siteType: 'newt',
      siteName: expect.stringMatching(/^site/),
      hcHeaders: FULL.hcHeaders,
      hcHealth: 'unknown',
      priority: 100,
    });
    expect(list.targets[0]).not.toHaveProperty('internalPort');
    expect((await app.root.get(`/resource/${id}/targets?limit=x`)).status).toBe(400);
  });

  it('of another organization is 404', async () => {
    const theirs = await app.root.expect<Target>('PUT', `/resource/${await resource('other')}/target`, {
      ...BODY,
      siteId: await site('other'),
    });
    const key = await app.orgKey('acme', 'getTarget', 'updateTarget', 'deleteTarget');
    for (const [method, body] of [['GET'], ['POST', { ip: 'a', siteId }], ['DELETE']] as const)
      expect((await key.send(method, `/target/${theirs.targetId}`, body)).status).toBe(404);
    expect((await read(theirs.targetId)).ip).toBe(BODY.ip);
  });

  it('is gone after a delete', async () => {
    const { targetId } = await create();
    expect(await app.root.delete(`/target/${targetId}`)).toMatchObject({ status: 200, body: { data: null } });
    expect((await app.root.delete(`/target/${targetId}`)).status).toBe(404);
  });
});
