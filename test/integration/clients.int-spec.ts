import { describe, expect, it } from 'vitest';
import { AddressPoolService } from '../../src/orgs/index.js';
import { type Api } from '../support/api.js';
import { app, type Client, create, type Defaults, device, org, ROW, setUpClients } from '../support/clients.js';
import { operator } from '../support/test-app.js';

setUpClients();

const SECRET = 's'.repeat(48);
const read = (id: number) => app.root.expect<Client>('GET', `/client/${id}`);
const withTag = (tag: string): Api => app.root.as(app.root.authorization, { 'if-match': tag });
const auditOf = (orgId: string, action: string) =>
  app.sql<{ targetId: string }>('SELECT target_id AS "targetId" FROM audit WHERE org_id = $1 AND action = $2', [
    orgId,
    action,
  ]);
const free = async (orgId: string) =>
  (await app.get(AddressPoolService).listRanges(operator, orgId, {})).addressRanges[0]!.free;

describe('pick-client-defaults and create', () => {
  it('what is picked makes a client, in the order and with the sentence that clients know; the secret is shown nowhere', async () => {
    const orgId = await org();
    const picked = await app.root.get<Defaults>(`/v1/org/${orgId}/pick-client-defaults`);
    expect(picked.body).toEqual({
      data: {
        olmId: expect.stringMatching(/^[a-z0-9]{15}$/),
        olmSecret: expect.stringMatching(/^[a-z0-9]{48}$/),
        subnet: '100.90.128.0',
      },
      success: true,
      error: false,
      message: 'Client defaults chosen successfully',
      status: 200,
    });
    const { olmId, olmSecret, subnet } = picked.body.data;
    const made = await app.root.put<Client>(`/v1/org/${orgId}/client`, {
      name: 'robot',
      olmId,
      secret: olmSecret,
      subnet,
      type: 'olm',
    });
    expect(made).toMatchObject({ status: 201, body: { message: 'Site created successfully' } });
    expect(Object.keys(made.body.data)).toEqual(ROW);
    expect(made.body.data).toMatchObject({
      orgId,
      userId: null,
      niceId: expect.stringMatching(/^[a-z]+-[a-z]+-[a-z0-9]{5}$/),
      name: 'robot',
      olmId,
      subnet: '100.90.128.0/17',
      type: 'olm',
      online: false,
      archived: false,
      blocked: false,
      approvalState: null,
    });
    const shown = await app.root.get<Client>(`/client/${made.body.data.clientId}`);
    expect(shown.body.data).toEqual(made.body.data);
    expect(shown.text + made.text).not.toContain(olmSecret);
    const [stored] = await app.sql<{ ok: boolean }>(
      'SELECT secret_hash = sha256(convert_to($2, $3)) AS ok FROM client WHERE client_id = $1',
      [made.body.data.clientId, olmSecret, 'UTF8'],
    );
    expect(stored!.ok).toBe(true);
    expect(await auditOf(orgId, 'client.create')).toEqual([{ targetId: String(made.body.data.clientId) }]);
  });

  it('sites and clients draw from one pool, and a deleted client gives its address back', async () => {
    const orgId = await org('10.0.0.0/30');
    const site = await app.root.expect<{ address: string }>('PUT', `/org/${orgId}/site`, {
      name: 'edge',
      type: 'newt',
    });
    const made = await create(orgId);
    expect(made.subnet).not.toBe(site.address);
    expect(
      await app.root.put(`/org/${orgId}/client`, {
        name: 'robot',
        olmId: 'othersite0',
        secret: SECRET,
        subnet: site.address.split('/')[0],
        type: 'olm',
      }),
    ).toMatchObject({ status: 409 });
    expect(
      await app.root.put(`/org/${orgId}/site`, { name: 'edge', type: 'newt', address: made.subnet.split('/')[0] }),
    ).toMatchObject({ status: 409 });
    expect(await free(orgId)).toBe(2);
    expect((await app.root.delete(`/client/${made.clientId}`)).body).toMatchObject({
      data: null,
      message: 'Client deleted successfully',
    });
    expect(await free(orgId)).toBe(3);
    expect((await app.root.get(`/client/${made.clientId}`)).status).toBe(404);
  });

  it('an olmId or an address twice is 409 and costs nothing', async () => {
    const orgId = await org();
    const made = await create(orgId);
    const before = await free(orgId);
    expect(
      await app.root.put(`/org/${orgId}/client`, {
        name: 'r',
        olmId: made.olmId,
        secret: SECRET,
        subnet: '100.90.128.77',
        type: 'olm',
      }),
    ).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(
      await app.root.put('/org/other/client', {
        name: 'r',
        olmId: made.olmId,
        secret: SECRET,
        subnet: '100.90.128.77',
        type: 'olm',
      }),
    ).toMatchObject({ status: 409 });
    expect(
      await app.root.put(`/org/${orgId}/client`, {
        name: 'r',
        olmId: 'another0',
        secret: SECRET,
        subnet: made.subnet.split('/')[0],
        type: 'olm',
      }),
    ).toMatchObject({ status: 409 });
    expect(await free(orgId)).toBe(before);
    expect((await auditOf(orgId, 'client.create')).length).toBe(1);
  });

  it('one address and one olmId at once: one 201', async () => {
    const orgId = await org();
    const address = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        app.root.put(`/org/${orgId}/client`, {
          name: 'r',
          olmId: `race${orgId}${i}`,
          secret: SECRET,
          subnet: '100.90.128.50',
          type: 'olm',
        }),
      ),
    );
    expect(address.map((r) => r.status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
    const olm = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        app.root.put(`/org/${orgId}/client`, {
          name: 'r',
          olmId: `same${orgId}`,
          secret: SECRET,
          subnet: `100.90.129.${i}`,
          type: 'olm',
        }),
      ),
    );
    expect(olm.map((r) => r.status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
  });

  it.each([
    [{ name: '' }, 'name'],
    [{ name: undefined }, 'name'],
    [{ olmId: undefined }, 'olmId'],
    [{ olmId: 'ABC.DEFGHI' }, 'olmId'],
    [{ olmId: 'a'.repeat(65) }, 'olmId'],
    [{ secret: 'short' }, 'secret'],
    [{ secret: undefined }, 'secret'],
    [{ subnet: undefined }, 'subnet'],
    [{ subnet: '100.90.128.9/17' }, 'subnet'],
    [{ subnet: '192.168.0.1' }, 'subnet'],
    [{ subnet: '::1' }, 'subnet'],
    [{ type: 'newt' }, 'type'],
    [{ type: undefined }, 'type'],
    [{ color: 'red' }, 'color'],
  ])('refuses %j, naming the field', async (more, path) => {
    const right = { name: 'robot', olmId: 'abcdefgh', secret: SECRET, subnet: '100.90.128.99', type: 'olm' };
    expect(await app.root.put('/org/acme/client', { ...right, ...more })).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path }] },
    });
  });

  it('no such organization is 404; no free address is 503', async () => {
    expect((await app.root.get('/org/nowhere/pick-client-defaults')).status).toBe(404);
    const orgId = await org('10.0.1.0/31');
    await Promise.all([1, 2].map(() => app.root.expect('PUT', `/org/${orgId}/site`, { name: 'edge', type: 'newt' })));
    expect(await app.root.get(`/org/${orgId}/pick-client-defaults`)).toMatchObject({
      status: 503,
      body: { code: 'capacity' },
    });
  });
});

describe('update', () => {
  it('answers a list of the one row; name and niceId change, a taken niceId is 409', async () => {
    const orgId = await org();
    const [a, b] = [await create(orgId), await create(orgId)];
    const reply = await app.root.post<Client[]>(`/client/${a.clientId}`, { name: 'arm', niceId: 'left-arm' });
    expect(reply.body.data).toEqual([{ ...a, name: 'arm', niceId: 'left-arm' }]);
    expect(await read(a.clientId)).toEqual(reply.body.data[0]);
    expect(await app.root.post(`/client/${b.clientId}`, { niceId: 'left-arm' })).toMatchObject({ status: 409 });
    const elsewhere = await org();
    expect((await app.root.post(`/client/${(await create(elsewhere)).clientId}`, { niceId: 'left-arm' })).status).toBe(
      200,
    );
    for (const wrong of [
      {},
      { name: null },
      { name: '' },
      { niceId: '12' },
      { niceId: 'a/b' },
      { olmId: 'abcdefgh' },
    ]) {
      expect((await app.root.post(`/client/${a.clientId}`, wrong)).status, JSON.stringify(wrong)).toBe(400);
    }
    expect(await auditOf(orgId, 'client.update')).toEqual([{ targetId: String(a.clientId) }]);
  });

  it('is for the version that was read', async () => {
    const { clientId } = await create('acme');
    const tag = (await app.root.get(`/client/${clientId}`)).headers.get('etag')!;
    const changed = await withTag(tag).post(`/client/${clientId}`, { name: 'b' });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(tag);
    expect(await withTag(tag).post(`/client/${clientId}`, { name: 'c' })).toMatchObject({
      status: 412,
      body: { code: 'precondition_failed' },
    });
    expect((await withTag(changed.headers.get('etag')!).post(`/client/${clientId}`, { name: 'd' })).status).toBe(200);
  });
});

describe('archive, block, delete', () => {
  it.each([
    ['archive', 'unarchive', { archived: true }, { archived: false }],
    ['block', 'unblock', { blocked: true, approvalState: 'denied' }, { blocked: false, approvalState: null }],
  ])('%s and %s: 400 when it is so already', async (on, off, whenOn, whenOff) => {
    const orgId = await org();
    const { clientId } = await create(orgId);
    expect((await app.root.post(`/client/${clientId}/${off}`)).status).toBe(400);
    expect(await app.root.post(`/client/${clientId}/${on}`)).toMatchObject({ status: 200, body: { data: null } });
    expect(await read(clientId)).toMatchObject(whenOn);
    expect(await app.root.post(`/client/${clientId}/${on}`)).toMatchObject({
      status: 400,
      body: { code: 'validation' },
    });
    expect((await app.root.post(`/client/${clientId}/${off}`)).status).toBe(200);
    expect(await read(clientId)).toMatchObject(whenOff);
    expect(await auditOf(orgId, `client.${on}`)).toHaveLength(1);
    expect(await auditOf(orgId, `client.${off}`)).toHaveLength(1);
  });

  it("a person's device is not deleted: 400", async () => {
    const clientId = await device('acme');
    expect(await app.root.delete(`/client/${clientId}`)).toMatchObject({ status: 400, body: { code: 'validation' } });
    expect((await app.root.get(`/client/${clientId}`)).status).toBe(200);
  });

  it("another organization's client is 404", async () => {
    const { clientId } = await create('other');
    const key = await app.orgKey(
      'acme',
      'getClient',
      'updateClient',
      'deleteClient',
      'archiveClient',
      'unarchiveClient',
      'blockClient',
      'unblockClient',
    );
    expect((await key.get(`/client/${clientId}`)).status).toBe(404);
    expect((await key.post(`/client/${clientId}`, { name: 'x' })).status).toBe(404);
    expect((await key.delete(`/client/${clientId}`)).status).toBe(404);
    for (const verb of ['archive', 'unarchive', 'block', 'unblock'])
      expect((await key.post(`/client/${clientId}/${verb}`)).status).toBe(404);
    expect((await app.root.get('/client/999999999')).status).toBe(404);
  });
});
