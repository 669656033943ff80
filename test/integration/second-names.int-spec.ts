import { describe, expect, it } from 'vitest';
import {
  app,
  domainId,
  host,
  memberRole,
  newMember,
  ORG,
  type Private,
  put,
  setUpForeignClients,
  siteId,
  type Web,
  web,
  word,
} from '../support/foreign-clients.js';

setUpForeignClients();

describe('second names', () => {
  it('are the same operations: every answer is that of the first name', async () => {
    const [site, publicOne, privateOne] = [siteId, await web(), await host()];
    const { resourceId, niceId } = publicOne;
    const id = privateOne.siteResourceId;
    for (const [first, second] of [
      [`/site-resource/${id}`, `/private-resource/${id}`],
      [`/site-resource/${id}/roles`, `/private-resource/${id}/roles`],
      [`/org/${ORG}/site-resources?query=192`, `/org/${ORG}/private-resources?query=192`],
      [`/org/${ORG}/site/${site}/resources`, `/org/${ORG}/site/${site}/private-resources`],
      [`/org/${ORG}/site/${site}/resource/${id}`, `/org/${ORG}/site/${site}/private-resource/${id}`],
      [`/resource/${resourceId}`, `/public-resource/${resourceId}`],
      [`/resource/${resourceId}/rules`, `/public-resource/${resourceId}/rules`],
      [`/org/${ORG}/resource/${niceId}`, `/org/${ORG}/public-resource/${niceId}`],
      [`/org/${ORG}/resources?page=1&pageSize=1`, `/org/${ORG}/public-resources?page=1&pageSize=1`],
      [`/org/${ORG}/resource-names`, `/org/${ORG}/public-resource-names`],
      [`/site/${site}/resources`, `/site/${site}/public-resources`],
    ]) {
      for (const prefix of ['/v1', '/api/v1']) {
        const [a, b] = [await app.root.get(prefix + first), await app.root.get(prefix + second)];
        expect(a.status, first).toBe(200);
        expect(b.body, second).toEqual(a.body);
      }
    }
  });

  it('make, change and delete', async () => {
    const made = await app.root.expect<Private>('PUT', `/v1/org/${ORG}/private-resource`, {
      name: 'P',
      mode: 'host',
      siteId,
      destination: '192.0.2.2',
    });
    const path = `/v1/private-resource/${made.siteResourceId}`;
    expect(await app.root.expect('POST', path, { name: 'Q' })).toMatchObject({ name: 'Q' });
    await app.root.expect('POST', `${path}/roles/add`, { roleId: memberRole });
    await app.root.expect('DELETE', path);
    expect((await app.root.get(path)).status).toBe(404);
    const open = await app.root.expect<Web>('PUT', `/v1/org/${ORG}/public-resource`, {
      name: 'R',
      http: true,
      protocol: 'tcp',
      domainId,
      subdomain: word(),
    });
    await app.root.expect('DELETE', `/v1/public-resource/${open.resourceId}`);
    const { clientId } = await put<{ clientId: number }>('client', {
      name: 'C',
      olmId: `olm_${word()}-x1`,
      secret: 'S'.repeat(16),
      subnet: '100.90.128.77',
      type: 'olm',
    });
    const { siteResourceId } = await host();
    expect(
      await app.root.expect('POST', `/v1/client/${clientId}/private-resources`, { siteResourceIds: [siteResourceId] }),
    ).toMatchObject({ addedCount: 1 });
  });

  it('share an Idempotency-Key with the first ones', async () => {
    const api = app.root.as(app.root.authorization, { 'idempotency-key': word() });
    const body = { name: 'Once', mode: 'tcp', proxyPort: 7100 };
    const first = await api.put(`/org/${ORG}/resource`, body);
    const again = await api.put(`/v1/org/${ORG}/public-resource`, body);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toEqual(first.body);
  });
});

describe('one object', () => {
  it('a public resource by niceId or number, in its organization alone', async () => {
    const { resourceId, niceId } = await web();
    for (const name of [niceId, resourceId])
      expect(await app.root.expect('GET', `/org/${ORG}/resource/${name}`)).toMatchObject({ resourceId, niceId });
    for (const name of [niceId, resourceId, 'nobody', 999999])
      expect((await app.root.get(`/org/globex/resource/${name}`)).status).toBe(404);
  });

  it('a private resource on one of its sites', async () => {
    const { siteResourceId } = await host();
    const { siteId: other } = await put<{ siteId: number }>('site', { name: 'O', type: 'newt' });
    expect(await app.root.expect('GET', `/org/${ORG}/site/${siteId}/resource/${siteResourceId}`)).toMatchObject({
      siteResourceId,
      siteId,
    });
    expect((await app.root.get(`/org/${ORG}/site/${other}/resource/${siteResourceId}`)).status).toBe(404);
  });

  it('a target is deleted with the resource that it is of, and with no other', async () => {
    const [mine, other] = [await web(), await web()];
    const { targetId } = await app.root.expect<{ targetId: number }>('PUT', `/resource/${mine.resourceId}/target`, {
      siteId,
      ip: '10.0.0.1',
      port: 80,
    });
    expect((await app.root.delete(`/resource/${other.resourceId}/target/${targetId}`)).status).toBe(404);
    await app.root.expect('DELETE', `/v1/public-resource/${mine.resourceId}/target/${targetId}`);
    expect((await app.root.get(`/target/${targetId}`)).status).toBe(404);
  });

  it('a domain is changed by POST as by PATCH, ETag and all', async () => {
    const { domainId: id } = await put<{ domainId: string }>('domain', {
      type: 'wildcard',
      baseDomain: `${word()}.example.com`,
    });
    const path = `/org/${ORG}/domain/${id}`;
    const etag = (await app.root.get(path)).headers.get('etag')!;
    const first = app.root.as(app.root.authorization, { 'if-match': etag });
    expect(await first.expect('POST', path, { certResolver: 'letsencrypt' })).toMatchObject({
      certResolver: 'letsencrypt',
    });
    expect((await first.post(path, { certResolver: 'other' })).status).toBe(412);
  });

  it('whether somebody is a member: an answer for everybody, which tells nothing of other organizations', async () => {
    const userId = await newMember([memberRole]);
    const check = (orgId: string, id: string) => app.root.expect('GET', `/org/${orgId}/user/${id}/check`);
    expect(await check(ORG, userId)).toEqual({ allowed: true });
    const no = { allowed: false, error: expect.any(String) };
    expect(await check('globex', userId)).toEqual(no);
    expect(await check('globex', 'nobody')).toEqual(no);
  });
});
