import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { app, auditOf, create, insert, list, org, setUpSites } from '../support/sites.js';

setUpSites();

describe('read a site', () => {
  it('by number and by niceId; a niceId without organization only for a key of one organization', async () => {
    const made = await create('acme');
    const key = await app.orgKey('acme', 'getSite');
    for (const path of [`/org/acme/site/${made.siteId}`, `/org/acme/site/${made.niceId}`, `/site/${made.siteId}`]) {
      expect(await app.root.expect('GET', path)).toMatchObject({ siteId: made.siteId, newtId: made.newtId });
      expect(await key.expect('GET', path)).toMatchObject({ siteId: made.siteId });
    }
    expect(await key.expect('GET', `/site/${made.niceId}`)).toMatchObject({ siteId: made.siteId });
    expect((await app.root.get(`/site/${made.niceId}`)).status).toBe(404);
    expect(await app.root.get('/site/999999999')).toMatchObject({ status: 404, body: { message: 'Site not found' } });
  });

  it('has an ETag, by which a change knows what it changes', async () => {
    const orgId = await org();
    const made = await create(orgId);
    const path = `/site/${made.siteId}`;
    const tagOf = async (at: string) => (await app.root.get(at)).headers.get('etag')!;
    const withTag = (tag: string) => app.root.as(app.root.authorization, { 'if-match': tag });
    const first = await tagOf(path);
    expect(first).toMatch(/^"\d+"$/);
    expect(await tagOf(`/org/${orgId}/site/${made.niceId}`)).toBe(first);
    const { groupId } = await app.root.expect<{ groupId: number }>('PUT', `/org/${orgId}/group`, { name: 'fleet' });
    let tag = first;
    for (const body of [
      { name: 'renamed' },
      { groupIds: [groupId] },
      { labels: { a: 'b' } },
      { status: 'pending' },
      { status: 'approved', groupIds: [], name: 'again' },
    ]) {
      const changed = await withTag(tag).post(path, body);
      expect(changed.status, JSON.stringify(body)).toBe(200);
      expect(await withTag(tag).post(path, { name: 'late' }), JSON.stringify(body)).toMatchObject({
        status: 412,
        body: { code: 'precondition_failed' },
      });
      tag = changed.headers.get('etag')!;
      expect(await tagOf(path)).toBe(tag);
    }
    expect(await app.root.expect('GET', path)).toMatchObject({ name: 'again' });
    expect((await withTag('*').post(path, { name: 'whatever' })).status).toBe(200);
    expect((await withTag('"1"').post('/site/999999999', { name: 'x' })).status).toBe(404);
    const now = await tagOf(path);
    const replies = await Promise.all(['a', 'b', 'c'].map((name) => withTag(now).post(path, { name })));
    expect(replies.map((r) => r.status).sort()).toEqual([200, 412, 412]);
  });

  it('another organization does not have it', async () => {
    const made = await create('acme');
    const other = await org();
    const key = await app.orgKey(other, 'getSite', 'listSites');
    for (const path of [
      `/site/${made.siteId}`,
      `/org/${other}/site/${made.siteId}`,
      `/org/${other}/site/${made.niceId}`,
      `/org/acme/site/${made.siteId}`,
    ]) {
      expect((await key.get(path)).status).toBe(404);
    }
    expect((await app.root.get(`/org/${other}/site/${made.siteId}`)).status).toBe(404);
  });

  it('presence makes it online', async () => {
    const { siteId } = await create('acme');
    await app.sql(
      'UPDATE site_presence SET session_id = $2, connected_at = now(), last_seen_at = to_timestamp(1700000000.6) WHERE site_id = $1',
      [siteId, randomUUID()],
    );
    expect(await app.root.expect('GET', `/site/${siteId}`)).toMatchObject({ online: true, lastPing: 1_700_000_000 });
    await app.sql('UPDATE site_presence SET session_id = NULL WHERE site_id = $1', [siteId]);
    expect(await app.root.expect('GET', `/site/${siteId}`)).toMatchObject({ online: false, lastPing: 1_700_000_000 });
  });
});

describe('reset-bandwidth', () => {
  it('zeroes the counters of this organization only', async () => {
    const [mine, other] = [await org(), await org()];
    for (const orgId of [mine, other]) {
      await insert(orgId, [{ name: 'a' }]);
      await app.sql('UPDATE site SET megabytes_in = 5, megabytes_out = 6 WHERE org_id = $1', [orgId]);
    }
    expect(await app.root.post(`/org/${mine}/reset-bandwidth`)).toMatchObject({ status: 200, body: { data: {} } });
    expect((await list(mine)).sites[0]).toMatchObject({ megabytesIn: 0, megabytesOut: 0 });
    expect((await list(other)).sites[0]).toMatchObject({ megabytesIn: 5, megabytesOut: 6 });
    expect(await auditOf(mine, 'site.reset_bandwidth')).toHaveLength(1);
  });
});

describe('groups', () => {
  it('are created, listed with their sites, renamed and deleted; their sites stay', async () => {
    const orgId = await org();
    const group = await app.root.expect<{ groupId: number }>('PUT', `/org/${orgId}/group`, {
      name: 'fleet',
      description: 'all of them',
    });
    expect(group).toMatchObject({ orgId, name: 'fleet', description: 'all of them', siteCount: 0 });
    const [site] = await insert(orgId, [{ name: 'a' }]);
    expect(await app.root.expect('POST', `/site/${site!.siteId}`, { groupIds: [group.groupId] })).toMatchObject({
      groupIds: [group.groupId],
    });
    const path = `/org/${orgId}/group/${group.groupId}`;
    expect(await app.root.expect('GET', `/org/${orgId}/groups?limit=5`)).toMatchObject({
      groups: [{ siteCount: 1 }],
      pagination: { total: 1, limit: 5, offset: 0 },
    });
    expect(await app.root.put(`/org/${orgId}/group`, { name: 'fleet' })).toMatchObject({ status: 409 });
    expect(await app.root.put(`/org/${orgId}/group`, { name: '12' })).toMatchObject({ status: 400 });
    expect(await app.root.post(path, {})).toMatchObject({ status: 400 });
    expect(await app.root.expect('POST', path, { name: 'armada', description: null })).toMatchObject({
      name: 'armada',
      description: null,
      siteCount: 1,
    });
    expect(await app.root.expect('DELETE', path)).toBeNull();
    expect(await app.root.get(path)).toMatchObject({ status: 404 });
    expect(await app.root.expect('GET', `/site/${site!.siteId}`)).toMatchObject({ groupIds: [] });
    for (const action of ['group.create', 'group.update', 'group.delete'])
      expect(await auditOf(orgId, action)).toEqual([{ targetId: String(group.groupId) }]);
  });

  it('another organization neither sees nor uses them', async () => {
    const [mine, other] = [await org(), await org()];
    const group = await app.root.expect<{ groupId: number }>('PUT', `/org/${mine}/group`, { name: 'fleet' });
    const key = await app.orgKey(other, 'getGroup', 'updateGroup', 'deleteGroup', 'updateSite');
    expect((await key.get(`/org/${other}/group/${group.groupId}`)).status).toBe(404);
    expect((await key.delete(`/org/${mine}/group/${group.groupId}`)).status).toBe(404);
    const [site] = await insert(other, [{ name: 'a' }]);
    expect(await key.post(`/site/${site!.siteId}`, { groupIds: [group.groupId] })).toMatchObject({
      status: 404,
      body: { message: 'Group not found' },
    });
  });
});

describe('address ranges', () => {
  it('are listed, added and deleted over HTTP', async () => {
    const orgId = await org('10.9.0.0/24');
    const added = await app.root.put<{ rangeId: number }>(`/org/${orgId}/address-range`, { cidr: '10.10.0.0/24' });
    expect(added).toMatchObject({
      status: 201,
      body: { data: { cidr: '10.10.0.0/24', size: 256, free: 256, reserved: 0 } },
    });
    expect(await app.root.expect('GET', `/org/${orgId}/address-ranges`)).toMatchObject({
      addressRanges: [{ cidr: '10.9.0.0/24' }, { cidr: '10.10.0.0/24' }],
      pagination: { total: 2 },
    });
    for (const cidr of ['10.10.0.1/24', '10.10.0.0/7', '10.10.0.0', '256.0.0.0/8', 'fd00::/64', '010.0.0.0/8']) {
      expect(await app.root.put(`/org/${orgId}/address-range`, { cidr })).toMatchObject({
        status: 400,
        body: { fields: [{ path: 'cidr' }] },
      });
    }
    expect((await app.root.put(`/org/${orgId}/address-range`, { cidr: '10.10.0.128/25' })).status).toBe(409);
    expect(await app.root.expect('DELETE', `/org/${orgId}/address-range/${added.body.data.rangeId}`)).toBeNull();
    for (const action of ['address_range.create', 'address_range.delete'])
      expect(await auditOf(orgId, action)).toHaveLength(1);
  });
});
