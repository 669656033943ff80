import { describe, expect, it } from 'vitest';
import { type Api } from '../support/api.js';
import {
  app,
  auditOf,
  client,
  create,
  desired,
  domain,
  list,
  org,
  put,
  type Resource,
  read,
  role,
  setUpPrivateResources,
  site,
  siteOf,
  update,
  user,
} from '../support/private-resources.js';

setUpPrivateResources();

const withTag = (tag: string): Api => app.root.as(app.root.authorization, { 'if-match': tag });

describe('the walkthrough', () => {
  it('creates a private resource with alias, port ranges and roles, then grants roles and users', async () => {
    const orgId = await org();
    const key = await app.orgKey(orgId, 'createSiteResource', 'setResourceRoles', 'setResourceUsers');
    const siteId = await site(orgId);
    const body = {
      name: 'My Private Resource',
      siteId,
      mode: 'host',
      destination: 'localhost',
      alias: 'private-resource.internal',
      tcpPortRangeString: '*',
      udpPortRangeString: '',
      disableIcmp: false,
      authDaemonMode: 'site',
      roleIds: [],
      userIds: [],
    };
    const made = await key.put<Resource>(`/v1/org/${orgId}/site-resource`, body);
    expect(made.body).toMatchObject({
      data: {
        siteResourceId: expect.any(Number),
        siteId,
        niceId: expect.stringMatching(/^[a-z]+-[a-z]+-[a-z0-9]{5}$/),
        name: 'My Private Resource',
        mode: 'host',
        destination: 'localhost',
        alias: 'private-resource.internal',
        tcpPortRangeString: '*',
        udpPortRangeString: '',
        disableIcmp: false,
        authDaemonPort: 22123,
        authDaemonMode: 'site',
      },
      success: true,
      error: false,
      message: 'Site resource created successfully',
      status: 201,
    });
    const { siteResourceId } = made.body.data;
    const granted = await key.post(`/v1/site-resource/${siteResourceId}/roles/add`, { roleId: await role(orgId) });
    expect(granted.body).toMatchObject({ data: {}, success: true, error: false, status: 201 });
    expect(
      (await key.post(`/v1/site-resource/${siteResourceId}/users/add`, { userId: await user(orgId) })).body,
    ).toMatchObject({ data: {}, status: 201 });
  });
});

describe('at once', () => {
  it('one alias twice: one 201, one 409', async () => {
    const orgId = await org();
    const right = {
      name: 'D',
      mode: 'host',
      destination: '10.1.2.3',
      siteId: await siteOf(orgId),
      alias: 'db.internal',
    };
    const replies = await Promise.all([put(orgId, right), put(orgId, right), put(orgId, right)]);
    expect(replies.map((r) => r.status).sort()).toEqual([201, 409, 409]);
    expect((await list(orgId)).pagination.total).toBe(1);
  });

  it('many get alias addresses of their own, from .8 on without a gap', async () => {
    const orgId = await org();
    const made = await Promise.all(Array.from({ length: 60 }, () => create(orgId)));
    const last = made.map((r) => Number(r.aliasAddress!.split('.')[3])).sort((a, b) => a - b);
    expect(last).toEqual(Array.from({ length: 60 }, (_, i) => i + 8));
    expect(await desired(await siteOf(orgId))).toBe(61);
  });

  it('two who change one resource with one ETag: one wins', async () => {
    const { siteResourceId } = await create('acme');
    const tag = (await app.root.get(`/site-resource/${siteResourceId}`)).headers.get('etag')!;
    const replies = await Promise.all(
      ['a', 'b', 'c'].map((name) => withTag(tag).post(`/site-resource/${siteResourceId}`, { name })),
    );
    expect(replies.map((r) => r.status).sort()).toEqual([200, 412, 412]);
  });

  it('the end of the utility subnet: gaps are filled, then 503 and nothing is left behind', async () => {
    const orgId = await org('100.96.128.0/28');
    const made: Resource[] = [];
    for (let i = 0; i < 8; i++) made.push(await create(orgId));
    expect(made.map((r) => r.aliasAddress)).toEqual(Array.from({ length: 8 }, (_, i) => `100.96.128.${i + 8}`));
    const right = { name: 'D', mode: 'host', destination: '10.1.2.3', siteId: await siteOf(orgId) };
    const full = await put(orgId, right);
    expect(full).toMatchObject({ status: 503, body: { code: 'capacity' } });
    expect(full.headers.get('retry-after')).toBe('60');
    expect(await create(orgId, { mode: 'cidr', destination: '10.0.0.0/8' })).toMatchObject({ aliasAddress: null });
    await app.root.expect('DELETE', `/site-resource/${made[2]!.siteResourceId}`);
    await app.root.expect('DELETE', `/site-resource/${made[5]!.siteResourceId}`);
    const again = await Promise.all([put(orgId, right), put(orgId, right), put(orgId, right)]);
    expect(again.map((r) => r.status).sort()).toEqual([201, 201, 503]);
    expect(again.flatMap((r) => (r.status === 201 ? [r.body.data.aliasAddress] : [])).sort()).toEqual([
      '100.96.128.10',
      '100.96.128.13',
    ]);
    expect((await list(orgId)).pagination.total).toBe(9);
  });
});

describe('update', () => {
  it('changes what is given, keeps sites and grants, and clears alias and domain that are left out', async () => {
    const orgId = await org();
    const [roleId, userId, clientId] = [await role(orgId), await user(orgId), await client(orgId)];
    const made = await create(orgId, {
      alias: 'db.internal',
      roleIds: [roleId],
      userIds: [userId],
      clientIds: [clientId],
      destinationPort: 5432,
      authDaemonPort: 2222,
    });
    const changed = await update(made.siteResourceId, {
      name: 'Renamed',
      niceId: 'Renamed-1',
      enabled: false,
      destinationPort: null,
      authDaemonPort: null,
    });
    expect(changed.status).toBe(200);
    expect(changed.body.data).toEqual({
      ...made,
      name: 'Renamed',
      niceId: 'Renamed-1',
      enabled: false,
      alias: null,
      destinationPort: null,
      authDaemonPort: 22123,
    });
    expect(await read(made.siteResourceId)).toEqual(changed.body.data);
    const granted = async (what: string) =>
      (await app.root.expect<Record<string, unknown[]>>('GET', `/site-resource/${made.siteResourceId}/${what}`))[what];
    expect(await granted('roles')).toHaveLength(2);
    expect(await granted('users')).toHaveLength(1);
    expect(await granted('clients')).toHaveLength(1);
    expect((await update(made.siteResourceId, { roleIds: [], userIds: [], clientIds: [] })).status).toBe(200);
    expect(
      [await granted('roles'), await granted('users'), await granted('clients')].map((rows) => rows!.length),
    ).toEqual([1, 0, 0]);
    expect(await auditOf('site_resource.update', made.siteResourceId)).toHaveLength(2);
  });

  it('sites that are given replace the others; old and new ones have something new to do', async () => {
    const orgId = await org();
    const [a, b, c] = [await site(orgId), await site(orgId), await site(orgId)];
    const made = await create(orgId, { siteId: a, siteIds: [b] });
    const before = [await desired(a), await desired(b), await desired(c)];
    const tag = (await app.root.get(`/site-resource/${made.siteResourceId}`)).headers.get('etag')!;
    const changed = await withTag(tag).post<Resource>(`/site-resource/${made.siteResourceId}`, { siteIds: [c, b] });
    expect(changed.body.data).toMatchObject({ siteId: c, siteIds: [c, b] });
    expect(changed.headers.get('etag')).not.toBe(tag);
    expect([await desired(a), await desired(b), await desired(c)]).toEqual(before.map((version) => version + 1));
    expect((await update(made.siteResourceId, { siteIds: [b, c] })).body.data).toMatchObject({ siteIds: [b, c] });
    expect(
      (await withTag(changed.headers.get('etag')!).post(`/site-resource/${made.siteResourceId}`, { siteIds: [a] }))
        .status,
    ).toBe(412);
    expect(await update(made.siteResourceId, { siteIds: [] })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'siteIds' }] },
    });
  });

  it('another mode: the alias address comes and goes', async () => {
    const orgId = await org();
    const made = await create(orgId);
    expect((await update(made.siteResourceId, { mode: 'cidr', destination: '10.0.0.0/8' })).body.data).toMatchObject({
      mode: 'cidr',
      aliasAddress: null,
    });
    expect((await update(made.siteResourceId, { mode: 'host' })).body).toMatchObject({
      code: 'validation',
      fields: [{ path: 'destination' }],
    });
    const domainId = await domain(orgId);
    const http = { mode: 'http', destination: 'web', destinationPort: 80, scheme: 'http', domainId, subdomain: 'app' };
    expect((await update(made.siteResourceId, http)).body.data).toMatchObject({
      aliasAddress: '100.96.128.8',
      fullDomain: 'app.gate.example.net',
      tcpPortRangeString: '443,80',
      udpPortRangeString: '',
    });
    expect(
      (await update(made.siteResourceId, { name: 'Web', domainId, subdomain: 'app', tcpPortRangeString: '*' })).body
        .data,
    ).toMatchObject({ fullDomain: 'app.gate.example.net', tcpPortRangeString: '443,80' });
    expect((await update(made.siteResourceId, { name: 'Web' })).body.data).toMatchObject({
      domainId: null,
      subdomain: null,
      fullDomain: null,
    });
  });

  it('conflicts are 409, wrong values 400', async () => {
    const orgId = await org();
    await create(orgId, { alias: 'taken.internal', niceId: 'taken' });
    const { siteResourceId } = await create(orgId);
    expect((await update(siteResourceId, { alias: 'Taken.internal' })).status).toBe(409);
    expect((await update(siteResourceId, { niceId: 'taken' })).status).toBe(409);
    for (const wrong of [
      {},
      { name: null },
      { name: '' },
      { niceId: 'a/b' },
      { niceId: '12' },
      { niceId: '..' },
      { mode: 'cidr' },
      { destination: 'db' },
      { destination: '100.90.128.1' },
      { tcpPortRangeString: 'x' },
      { alias: 'x' },
      { color: 'red' },
    ]) {
      expect((await update(siteResourceId, wrong)).status, JSON.stringify(wrong)).toBe(400);
    }
    // As a blueprint may call it.
    expect((await update(siteResourceId, { name: 'x', niceId: 'my_nice.1' })).status).toBe(200);
    expect((await update(siteResourceId, { destination: 'db', alias: 'db.internal' })).status).toBe(200);
    expect((await update(999_999_999, { name: 'x' })).status).toBe(404);
  });
});

it('shows what was changed since a blueprint file was applied, under the names of the API', async () => {
  const orgId = await org();
  const made = await create(orgId, { alias: 'db.internal' });
  const [source] = await app.sql<{ id: number }>(
    `INSERT INTO blueprint_source (org_id, site_id, kind) VALUES ($1, $2, 'file') RETURNING source_id AS id`,
    [orgId, made.siteId],
  );
  await app.sql('INSERT INTO site_resource_declaration VALUES ($1, $2, $3)', [
    source!.id,
    made.siteResourceId,
    { name: 'Database', tcp_ports: '*', alias: 'db.internal', disable_icmp: false },
  ]);
  expect(await read(made.siteResourceId)).toMatchObject({ name: 'Database' });
  await update(made.siteResourceId, { tcpPortRangeString: '22', disableIcmp: true });
  expect(await app.root.expect('GET', `/site-resource/${made.siteResourceId}`)).toMatchObject({
    drift: expect.arrayContaining([
      { field: 'alias', file: 'db.internal', current: null },
      { field: 'disableIcmp', file: false, current: true },
      { field: 'tcpPortRangeString', file: '*', current: '22' },
    ]),
  });
});

describe('delete', () => {
  it('answers a message; the sites have something new to do', async () => {
    const made = await create('acme');
    const before = await desired(made.siteId!);
    expect((await app.root.delete(`/site-resource/${made.siteResourceId}`)).body).toMatchObject({
      data: { message: 'Site resource deleted successfully' },
      status: 200,
    });
    expect(await desired(made.siteId!)).toBe(before + 1);
    for (const reply of [
      await app.root.get(`/site-resource/${made.siteResourceId}`),
      await app.root.delete(`/site-resource/${made.siteResourceId}`),
    ])
      expect(reply.status).toBe(404);
    expect(await auditOf('site_resource.delete', made.siteResourceId)).toHaveLength(1);
  });

  it('a resource outlives its site', async () => {
    const siteId = await site('acme');
    const made = await create('acme', { siteId });
    const tag = (await app.root.get(`/site-resource/${made.siteResourceId}`)).headers.get('etag')!;
    await app.root.expect('DELETE', `/site/${siteId}`);
    expect((await withTag(tag).post(`/site-resource/${made.siteResourceId}`, { name: 'late' })).status).toBe(412);
    expect(await read(made.siteResourceId)).toMatchObject({ siteId: null, siteIds: [] });
  });
});
