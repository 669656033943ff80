import { describe, expect, it } from 'vitest';
import { SiteCredentialsService } from '../../src/access/index.js';
import { AddressPoolService } from '../../src/orgs/index.js';
import { newtToken } from '../support/api.js';
import { app, auditOf, create, insert, list, org, type Row, setUpSites } from '../support/sites.js';
import { operator } from '../support/test-app.js';

setUpSites();

describe('pick-site-defaults', () => {
  it('answers ten fields, those of the exit node null, and what it answers makes a site', async () => {
    const orgId = await org();
    const reply = await app.root.get<Record<string, string | null>>(`/v1/org/${orgId}/pick-site-defaults`);
    expect(reply.body).toEqual({
      data: reply.body.data,
      success: true,
      error: false,
      message: 'Site defaults chosen successfully',
      status: 200,
    });
    const { newtId, newtSecret, clientAddress, ...exitNode } = reply.body.data as Record<string, string | null>;
    expect(exitNode).toEqual({
      exitNodeId: null,
      address: null,
      publicKey: null,
      name: null,
      listenPort: null,
      endpoint: null,
      subnet: null,
    });
    expect(newtId).toMatch(/^[a-z0-9]{15}$/);
    expect(newtSecret).toMatch(/^[a-z0-9]{48}$/);
    expect(clientAddress).toBe('100.90.128.0');
    const made = await create(orgId, {
      address: clientAddress,
      newtId,
      secret: newtSecret,
      exitNodeId: null,
      subnet: null,
    });
    expect(made).toMatchObject({
      address: '100.90.128.0/17',
      newtId,
      secret: newtSecret,
      status: 'approved',
      online: false,
    });
    expect(await app.get(SiteCredentialsService).authenticateNewt(newtId!, newtSecret!)).toMatchObject({
      siteId: made.siteId,
      orgId,
      kind: 'newt',
    });
  });
});

describe('create a site by hand', () => {
  it('answers the row in the order that clients know, with credentials that are in no later answer', async () => {
    const reply = await app.root.put<Row>('/v1/org/acme/site', { name: 'My Site', type: 'newt' });
    expect(reply.status).toBe(201);
    const { data } = reply.body;
    expect(Object.keys(data).slice(0, 26)).toEqual([
      'siteId',
      'orgId',
      'niceId',
      'exitNodeId',
      'networkId',
      'name',
      'pubKey',
      'subnet',
      'megabytesIn',
      'megabytesOut',
      'lastBandwidthUpdate',
      'type',
      'online',
      'lastPing',
      'address',
      'endpoint',
      'publicKey',
      'lastHolePunch',
      'listenPort',
      'dockerSocketEnabled',
      'status',
      'autoUpdateEnabled',
      'autoUpdateOverrideOrg',
      'remoteSubnets',
      'newtId',
      'secret',
    ]);
    expect(data.niceId).toMatch(/^[a-z]+-[a-z]+-[a-z0-9]{5}$/);
    const read = await app.root.get<Row>(`/site/${data.siteId}`);
    const { secret, ...shown } = data;
    expect(read.body.data).toMatchObject(shown);
    expect(read.text).not.toContain(secret);
    expect(await auditOf('acme', 'site.create')).toContainEqual({ targetId: String(data.siteId) });
  });

  it('a name may repeat; niceId, newtId and address may not: 409, and nothing is left behind', async () => {
    const orgId = await org('10.0.0.0/28');
    const first = await create(orgId, { niceId: 'front-door', address: '10.0.0.5' });
    await create(orgId);
    for (const body of [{ niceId: 'front-door' }, { newtId: first.newtId }, { address: '10.0.0.5' }]) {
      expect(await app.root.put(`/org/${orgId}/site`, { name: 'edge', type: 'newt', ...body })).toMatchObject({
        status: 409,
        body: { code: 'conflict' },
      });
    }
    const [pool] = (await app.get(AddressPoolService).listRanges(operator, orgId, {})).addressRanges;
    expect(pool).toMatchObject({ size: 16, free: 14 });
    expect((await auditOf(orgId, 'site.create')).length).toBe(2);
  });

  it.each([
    [{ secret: 'a'.repeat(15) }, 'secret'],
    [{ secret: `${'a'.repeat(32)}.` }, 'secret'],
    [{ secret: 'a'.repeat(129) }, 'secret'],
    [{ newtId: 'abcdefg' }, 'newtId'],
    [{ newtId: 'abc.defgh' }, 'newtId'],
    [{ newtId: 'a'.repeat(65) }, 'newtId'],
    [{ niceId: '123' }, 'niceId'],
    [{ niceId: 'a/b' }, 'niceId'],
    [{ niceId: '.' }, 'niceId'],
    [{ niceId: '..' }, 'niceId'],
    [{ name: '' }, 'name'],
    [{ name: 'a\u0007b' }, 'name'],
    [{ type: 'vpn' }, 'type'],
    [{ address: '100.90.128.9/17' }, 'address'],
    [{ address: '192.168.0.1' }, 'address'],
    [{ exitNodeId: 1 }, 'exitNodeId'],
    [{ remoteSubnets: '10.0.0.0/8,office' }, 'remoteSubnets'],
    [{ remoteSubnets: '10.0.0.1' }, 'remoteSubnets'],
    [{ autoUpdateEnabled: null }, 'autoUpdateEnabled'],
    [{ dockerSocketEnabled: 'yes' }, 'dockerSocketEnabled'],
    [{ color: 'red' }, 'color'],
    [{ name: undefined }, 'name'],
  ])('refuses %j, naming the field', async (body, path) => {
    expect(await app.root.put('/org/acme/site', { name: 'edge', type: 'newt', ...body })).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path }] },
    });
  });

  it('keeps what clients set of a site from its creation on, and each change is a new version', async () => {
    const settings = {
      dockerSocketEnabled: false,
      autoUpdateEnabled: true,
      autoUpdateOverrideOrg: true,
      remoteSubnets: '10.1.0.0/16, fd00::/8',
    };
    const { siteId, ...made } = await create('acme', settings);
    expect(made).toMatchObject(settings);
    const read = () => app.root.get<Row>(`/site/${siteId}`);
    expect((await read()).body.data).toMatchObject(settings);
    for (const change of [
      { dockerSocketEnabled: true },
      { autoUpdateEnabled: false },
      { autoUpdateOverrideOrg: false },
      { remoteSubnets: '10.1.0.0/16' },
      { remoteSubnets: '' },
      { remoteSubnets: null },
    ]) {
      const before = (await read()).headers.get('etag');
      expect(await app.root.expect('POST', `/site/${siteId}`, change)).toMatchObject(change);
      const after = await read();
      expect(after.body.data).toMatchObject(change);
      expect(after.headers.get('etag')).not.toBe(before);
    }
    expect(await create('acme')).toMatchObject({
      dockerSocketEnabled: true,
      autoUpdateEnabled: false,
      autoUpdateOverrideOrg: false,
      remoteSubnets: null,
    });
  });

  it.each([
    ['an id of eight and a secret of sixteen', 'Newt_1-x', 'Sec-ret_16-chars'],
    ['the longest ones', `${'n'.repeat(63)}-`, `${'S'.repeat(127)}_`],
  ])('takes newtId and secret as other programs draw them: %s', async (_, newtId, secret) => {
    expect(await create('acme', { newtId, secret })).toMatchObject({ newtId, secret });
    expect((await newtToken(app.root.url, newtId, secret)).status).toBe(200);
  });

  it('half a character is no name', async () => {
    expect(await app.root.put('/org/acme/site', '{"name":"a\\ud800","type":"newt"}')).toMatchObject({
      status: 400,
      body: { code: 'validation' },
    });
    expect(await app.root.put('/org/acme/site', '{"name":"a\\ud83d\\ude00","type":"newt"}')).toMatchObject({
      status: 201,
      body: { data: { name: 'a\u{1f600}' } },
    });
  });

  it('type local needs no tunnel and is always online; wireguard waits for exit nodes', async () => {
    const made = await create('acme', { type: 'local' });
    expect(made).toMatchObject({ type: 'local', subnet: '0.0.0.0/32', online: true, dockerSocketEnabled: false });
    expect(made).not.toHaveProperty('secret');
    expect(await app.root.put('/org/acme/site', { name: 'w', type: 'wireguard' })).toMatchObject({
      status: 400,
      body: { code: 'not_available' },
    });
  });

  it('an exhausted pool is 503 with Retry-After and makes nothing', async () => {
    const orgId = await org('10.0.1.0/31');
    const replies = await Promise.all(
      Array.from({ length: 6 }, () => app.root.put(`/org/${orgId}/site`, { name: 'edge', type: 'newt' })),
    );
    expect(replies.map((r) => r.status).sort()).toEqual([201, 201, 503, 503, 503, 503]);
    const full = replies.find((r) => r.status === 503)!;
    expect(full.body.code).toBe('capacity');
    expect(full.headers.get('retry-after')).toBe('60');
    expect((await list(orgId)).pagination.total).toBe(2);
  });

  it('64 at once get 64 addresses and 64 niceIds', async () => {
    const orgId = await org();
    const made = await Promise.all(Array.from({ length: 64 }, () => create(orgId)));
    expect(new Set(made.map((s) => s.address)).size).toBe(64);
    expect(new Set(made.map((s) => s.niceId)).size).toBe(64);
    expect((await list(orgId)).pagination.total).toBe(64);
  });
});

describe('insertMany', () => {
  it('answers in the given order, null where the device was known or comes twice', async () => {
    const orgId = await org();
    await insert(orgId, [{ hardwareId: 'b' }]);
    const made = await insert(orgId, [
      { hardwareId: 'a', name: 'A' },
      { hardwareId: 'b' },
      { hardwareId: 'c' },
      { hardwareId: 'c' },
      {},
      {},
    ]);
    expect(made.map((m) => m !== null)).toEqual([true, false, true, false, true, true]);
    expect(made[0]!.name).toBe('A');
    expect(made[2]!.name).toBe(made[2]!.niceId);
    const ids = made.flatMap((m) => m?.siteId ?? []);
    expect(ids).toEqual([...ids].sort((x, y) => x - y));
  });

  it('two transactions with one hardware id make one site', async () => {
    const orgId = await org();
    const made = await Promise.all(Array.from({ length: 16 }, () => insert(orgId, [{ hardwareId: 'same' }])));
    expect(made.flat().filter(Boolean)).toHaveLength(1);
  });
});
